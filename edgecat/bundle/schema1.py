"""Manifests of schema 1, the first released: the same facts under other names."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgecat.photos.input import FIRST


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest of schema 1 as one of schema 2; what is wrong with it stays wrong.

    "known" became "ood", and each variant's "known_threshold", above which a photo was familiar,
    "ood_threshold", above which it is strange: the same measure with the other sign.

    Args:
        values: What a JSON parser gave.
    """
    upgraded = _rename(values, {"known": "ood"}) | {"schema_version": 2}
    upgraded.setdefault("input", dataclasses.asdict(FIRST))
    if isinstance(values.get("variants"), list):
        upgraded["variants"] = [_upgrade_variant(variant) for variant in values["variants"]]
    if isinstance(values.get("provenance"), Mapping):
        upgraded["provenance"] = upgrade_provenance(values["provenance"])
    return upgraded


def _upgrade_variant(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    variant = _rename(values, {"known_threshold": "ood_threshold"})
    threshold = variant.get("ood_threshold")
    if isinstance(threshold, float):
        variant["ood_threshold"] = -threshold
    return variant


def upgrade_provenance(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return provenance with the INT8 search under its names of schema 2.

    Args:
        values: Free in form; what is no search stays as it is.
    """
    provenance = _rename(values, {"ladder": "search"})
    if isinstance(provenance.get("budget"), Mapping):
        provenance["budget"] = _rename(provenance["budget"], {"ladder": "search"})
    if isinstance(provenance.get("search"), Mapping):
        provenance["search"] = {
            variant: _upgrade_search(found) for variant, found in provenance["search"].items()
        }
    return provenance


def _upgrade_search(values: Any) -> Any:
    if not isinstance(values, Mapping) or not isinstance(values.get("rungs"), list):
        return values
    search = _rename(values, {"rungs": "steps"})
    return search | {
        "chosen": _upgrade_title(search.get("chosen")),
        "steps": [_upgrade_step(step) for step in search["steps"]],
    }


def _upgrade_step(values: Any) -> Any:
    if not isinstance(values, Mapping) or not isinstance(values.get("recipe"), Mapping):
        return values
    recipe = _rename(values["recipe"], {"num_float_halvings": "num_float_stages"})
    return {**values, "recipe": recipe | {"title": _upgrade_title(recipe.get("title"))}}


def _upgrade_title(title: Any) -> Any:
    return title.replace("halvings", "stages") if isinstance(title, str) else title


def _rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
