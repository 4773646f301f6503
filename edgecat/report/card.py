"""A model card: what a stranger must know before using the model, in Hugging Face's form.

Source: huggingface.co/docs/hub/model-cards: YAML front matter, then Markdown. JSON is YAML, too,
and so every value is written as JSON.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from edgecat import __version__
from edgecat.errors import ConfigError
from edgecat.report.facts import Accuracy, Facts, Model
from edgecat.report.sections.provenance import list_values
from edgecat.report.wording import megabytes, points, share
from edgecat.scores.metrics import describe_small_classes
from edgecat.strict import to_json

# Licences by the hub's names. Source: huggingface.co/docs/hub/repositories-licenses.
_LICENCES = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0")

# What Markdown and HTML take for something else than text.
# Within a word an underscore is one; the last ones mean something in front only.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])|^[#+=-])")

# Line ends of YAML that JSON leaves as they are.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def render_card(facts: Facts) -> str:
    """Return the card.

    Raises:
        ConfigError: There is no model to tell of.
    """
    if facts.model is None:
        raise ConfigError("--card: a model card needs a run or a bundle; give one")
    environment = Environment(
        loader=PackageLoader("edgecat.report"),
        autoescape=False,  # it is Markdown, which `finalize` escapes
        finalize=_escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    model = facts.model
    body = environment.get_template("card.md").render(
        model=model,
        licences=[*list_values(_licences(model))],
        accuracy=_describe_accuracy(model.accuracy),
        classes=[*_list_classes(model.accuracy)],
        variants=[*_list_variants(facts)],
        warning=_find_warning(model.accuracy),
        origin=[*_list_origin(model)],
        has_ood=facts.sources.bundle is not None and facts.sources.bundle.spec.ood is not None,
        version=__version__,
    )
    return f"---\n{_format_front(model)}---\n\n{body}"


def _format_front(model: Model) -> str:
    lines = {name: to_json(value) for name, value in _front(model).items()}
    return "".join(f"{name}: {text.translate(_LINE_ENDS)}\n" for name, text in lines.items())


def _front(model: Model) -> dict[str, Any]:
    front: dict[str, Any] = {
        **_name_licence(_licences(model)),
        "library_name": "edgecat",
        "pipeline_tag": "image-classification",
        "tags": ["edgecat", "image-classification", model.arch],
    }
    accuracy = model.accuracy
    if accuracy is not None:
        metrics = [{"type": "accuracy", "name": "Top-1", "value": accuracy.top1_ratio}]
        if accuracy.macro_f1_ratio is not None:
            metrics.append({"type": "f1", "name": "Macro F1", "value": accuracy.macro_f1_ratio})
        task = {"type": "image-classification", "name": "Image classification"}
        name = f"photos of {model.name}'s classes"
        dataset = {"type": "imagefolder", "name": name, "split": accuracy.split}
        result = {"task": task, "dataset": dataset, "metrics": metrics}
        front["model-index"] = [{"name": model.name, "results": [result]}]
    return front


def _licences(model: Model) -> Mapping[str, Any]:
    found = model.provenance.get("licence")
    return found if isinstance(found, Mapping) else {}


def _name_licence(licences: Mapping[str, Any]) -> dict[str, str]:
    """Return the model's licence as the hub names it."""
    told = str(licences.get("model", ""))
    if not told:
        return {"license": "unknown"}
    known = next((name for name in _LICENCES if told.lower().startswith(name)), None)
    return {"license": known} if known else {"license": "other", "license_name": told}


def _describe_accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "Not measured."
    f1 = accuracy.macro_f1_ratio
    told = f"Top-1 {share(accuracy.top1_ratio, accuracy.interval_ratio)}"
    more = "" if f1 is None else f", macro F1 {share(f1)}"
    return f"{told}{more}, on {accuracy.photos}. The 95 % interval comes first."


def _list_classes(accuracy: Accuracy | None) -> Iterator[tuple[str, str, str, str]]:
    for label, one in (accuracy.per_class if accuracy else {}).items():
        recall, precision = share(one.recall_ratio), share(one.precision_ratio)
        yield label, str(one.num_images), recall, precision


def _list_variants(facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    if facts.sources.bundle is None:
        return
    spec = facts.sources.bundle.spec
    for variant in spec.variants:
        size = megabytes(spec.size_bytes(variant))
        score = variant.score
        top1 = share(score.top1_ratio, score.top1_interval_ratio) if score else "not measured"
        lost = points(score.drop_pp, score.drop_interval_pp) if score else "not measured"
        yield variant.name, size, top1, lost


def _find_warning(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return ""
    counts = {label: one.num_images for label, one in accuracy.per_class.items()}
    return describe_small_classes(counts).removeprefix("CAREFUL: ")


def _list_origin(model: Model) -> Iterator[tuple[str, str]]:
    wanted = ("weights", "teacher", "seed", "num_photos", "data_sha256", "versions")
    origin = {name: model.provenance[name] for name in wanted if model.provenance.get(name)}
    yield from list_values(origin)


def _escape(value: Any) -> Any:
    """Return a text that Markdown shows as it is; other values as they are."""
    return _SPECIAL.sub(r"\\\1", value).replace("\n", " ") if isinstance(value, str) else value
