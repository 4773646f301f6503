"""A contact sheet: what was found, as thumbnails on one page that needs nothing else."""

import base64
import hashlib
import html
import io
import os
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from edgecat.audit.check import Finding
from edgecat.audit.report import Audit, Checked
from edgecat.errors import ImageError
from edgecat.photos.decode import open_photo
from edgecat.photos.folder import LabelledPhoto
from edgecat.progress import Progress

# So that a page opens soon: a thumbnail has about 5 kB, so a check's photos at most 3 MB.
_MAX_FINDINGS, _MAX_PHOTOS = 100, 6
_THUMBNAIL_PX, _JPEG_QUALITY = 192, 70


class ContactSheet:
    """Makes the page of an audit."""

    def __init__(self, audit: Audit, page: Path) -> None:
        """Read nothing yet.

        Args:
            audit: What was found.
            page: Where the page will stand; links to photos start there.
        """
        self._audit, self._page = audit, page
        folder = audit.survey.folder
        self._photos = {folder.path_of(photo): photo for photo in folder.photos}
        self._left_out = {path for finding in audit.findings() for path in finding.left_out}

    def to_html(self, progress: Progress) -> str:
        """Return the page. It holds no script, and its policy lets the browser run none.

        Args:
            progress: Told of each check.
        """
        template = (files("edgecat.audit") / "sheet.html").read_text(encoding="utf-8")
        style = "".join(re.findall("<style>(.*?)</style>", template, re.DOTALL))
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        shown = [one for one in self._audit.checked if one.found.findings]
        with progress.phase("draw the sheet", len(shown)) as step:
            sections = []
            for one in shown:
                sections.append(self._draw_section(one))
                step()
        folder = self._audit.survey.folder
        return Template(template).substitute(
            policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
            data=_escape(str(folder.root)),
            understood=_escape(folder.understood),
            features=_escape(self._audit.survey.model.name),
            rows="\n".join(map(_draw_row, self._audit.checked)),
            sections="\n".join(sections),
        )

    def _draw_section(self, one: Checked) -> str:
        findings = one.found.findings
        items = "\n".join(map(self._draw_finding, findings[:_MAX_FINDINGS]))
        left = len(findings) - _MAX_FINDINGS
        more = f"<p>and {left} more: edgecat audit --json has all</p>" if left > 0 else ""
        return (
            f'<section id="{_escape(one.name)}" aria-labelledby="{_escape(one.name)}-title">\n'
            f'<h2 id="{_escape(one.name)}-title">{_escape(one.check.title)}</h2>\n'
            f'<p>{_escape(one.describe())}</p>\n<ul class="findings">\n{items}\n</ul>\n{more}\n'
            '<p><a href="#top">Back to the table</a></p></section>'
        )

    def _draw_finding(self, finding: Finding) -> str:
        shown = finding.photos[:_MAX_PHOTOS]
        figures = "".join(map(self._draw_photo, shown))
        more = len(finding.photos) - len(shown)
        text = finding.text + (f" ({more} more are not shown)" if more else "")
        return f'<li><div class="photos">{figures}</div><p>{_escape(text)}</p></li>'

    def _draw_photo(self, path: str) -> str:
        photo = self._photos[path]
        name = _escape(path)
        thumbnail = _make_thumbnail(photo)
        picture = (
            f'<img src="{thumbnail}" alt="{name}" loading="lazy">'
            if thumbnail
            else '<span class="broken">no picture</span>'
        )
        if photo.zipped is None:  # a browser opens no file within a zip file
            place = os.path.relpath(photo.path, self._page.absolute().parent)
            picture = f'<a href="{_escape(quote(os.fsencode(place)))}">{picture}</a>'
        out = " <strong>left out</strong>" if path in self._left_out else ""
        return f"<figure>{picture}<figcaption>{name}{out}</figcaption></figure>"


def _draw_row(one: Checked) -> str:
    title = _escape(one.check.title)
    if one.found.findings:
        title = f'<a href="#{_escape(one.name)}">{title}</a>'
    return f'<tr><th scope="row">{title}</th><td>{_escape(one.describe())}</td></tr>'


def _make_thumbnail(photo: LabelledPhoto) -> str:
    """Return a small JPEG as a data address; "" of what cannot be read."""
    try:
        image = open_photo(photo.read(), _THUMBNAIL_PX)
    except ImageError:
        return ""
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _escape(text: str) -> str:
    """Return text as HTML that shows it; names of files may be no text at all."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode())
