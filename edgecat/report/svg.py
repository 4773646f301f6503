"""Matplotlib's SVG as a part of a page: its colours follow the page's, its words are words.

The page's policy forbids style attributes, and colours depend on light and dark. So each colour of
`INKS` is a name in disguise: what is drawn in it gets a class, which the page's style colours.
"""

import re
from xml.etree import ElementTree

from markupsafe import Markup

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"

#: The page's colours -> what matplotlib is told to draw them in. Series are told apart by shape,
#: too; after the last one they begin anew.
INKS = {
    "ink": "#000001",
    "soft": "#000002",
    "line": "#000003",
    "card": "#000004",
    "s1": "#000011",
    "s2": "#000012",
    "s3": "#000013",
    "s4": "#000014",
    "s5": "#000015",
    "s6": "#000016",
}
_NAMES = {colour: name for name, colour in INKS.items()}

# The parts of a style that stay: fonts are the page's.
_KEPT = {
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
    "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "opacity", "font-size",
    "font-weight", "text-anchor",
}  # fmt: skip

# What is about the file, and what the policy forbids.
_LEFT_OUT = {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}

# Source: XML 1.0, production 2: the characters that a document may have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# A hundredth of a point is less than any screen shows.
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#(.+?)\)")


def embed_svg(drawn: str, name: str, title: str, description: str) -> Markup:
    """Return a drawing for a page.

    Args:
        drawn: What matplotlib wrote, with `svg.fonttype` "none" and in colours of `INKS`.
        name: Begins the ids in it, so that drawings of one page do not share any.
        title: Its name, for screen readers.
        description: What there is to see, for them.
    """
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", drawn))
    for parent in [*root.iter()]:
        for child in [child for child in parent if child.tag in _LEFT_OUT]:
            parent.remove(child)
    used = _find_references(root)
    for element in root.iter():
        _embed(element, name, used)
    for measure in ("width", "height", "version"):
        root.attrib.pop(measure, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-desc"}
    for number, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(number, element)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _find_references(root: ElementTree.Element) -> set[str]:
    used = set()
    for element in root.iter():
        if _HREF in element.attrib:
            used.add(element.attrib[_HREF].removeprefix("#"))
        for value in element.attrib.values():
            used |= set(_REFERENCE.findall(value))
    return used


def _embed(element: ElementTree.Element, name: str, used: set[str]) -> None:
    """Turn an element's style into attributes and classes, and make its ids unlike any other's."""
    attributes = element.attrib
    if attributes.get("id") in used:
        attributes["id"] = f"{name}-{attributes['id']}"
    else:
        attributes.pop("id", None)
    if _HREF in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(_HREF).removeprefix('#')}"
    for declaration in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in _KEPT:
            attributes[key] = value.removesuffix("px")
    painted = [key for key in ("fill", "stroke") if attributes.get(key) in _NAMES]
    if painted:
        attributes["class"] = " ".join(f"{key}-{_NAMES[attributes.pop(key)]}" for key in painted)
    for key, value in attributes.items():
        shorter = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", value)
        attributes[key] = _REFERENCE.sub(rf"url(#{name}-\1)", shorter).replace("\n", " ").strip()
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None
