r"""Make the released models again, edgecat/assets/*, from the runs of seed 0.

python -m benchmarks.accuracy.finetune_cats ../shared/cats --weights BACKBONE.pth --preset good \
    --work runs/good
python -m benchmarks.optimize.lean_cats ../shared/cats --work runs/good
edgecat export runs/good/seed0 --out runs/good/seed0.edgecat --int8
edgecat export runs/good/lean/half-seed0 --out runs/good/lean.edgecat --int8
python -m benchmarks.release_models cats12 runs/good/seed0.edgecat
python -m benchmarks.release_models cats12-lean runs/good/lean.edgecat

Seed 0 because it is the first: no seed was chosen by its score.
"""

import dataclasses
from pathlib import Path

import click

from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE
from edgecat.bundle.reference import REFERENCE_FILE
from edgecat.bundle.store import ASSETS, Bundle, hash_files, load_bundle, new_bundle, write_manifest
from edgecat.export.golden import build_golden
from edgecat.runtime.choice import open_engine
from edgecat.scores.ood import OOD_FILE
from edgecat.train.unfold import STATISTICS_FILE

# The wheel carries both variants that run without an extra, and what --weights cats12 needs; no
# features of known photos, for which there is no room: `enroll` takes a bundle of one's own.
_MAX_BYTES = {"cats12": 8_100_000, "cats12-lean": 3_900_000}

_LICENCE = {
    "model": "Apache-2.0, as edgecat",
    "photos": "cat part of Oxford-IIIT Pet (Parkhi et al., Cats and Dogs, CVPR 2012), CC BY-SA 4.0",
    "initial_weights": "torchvision mobilenet_v3_small ImageNet-1K (BSD-3-Clause), backbone",
    "teacher": "EfficientNet-Lite2 (Apache-2.0), fine-tuned on the same photos",
}


@click.command()
@click.argument("name", type=click.Choice(tuple(_MAX_BYTES)))
@click.argument("bundle", type=click.Path(path_type=Path))
def main(name: str, bundle: Path) -> None:
    """Release the ONNX Runtime variants of a bundle under a name."""
    released = ASSETS / name
    _release(name, load_bundle(bundle), released)
    size_bytes = sum(path.stat().st_size for path in released.iterdir())
    if size_bytes > _MAX_BYTES[name]:
        raise click.ClickException(f"{size_bytes} bytes, more than {_MAX_BYTES[name]}")
    print(f"{released}: {size_bytes / 1e6:.2f} MB")


def _release(name: str, bundle: Bundle, folder: Path) -> None:
    variants = tuple(v for v in bundle.spec.variants if v.engine == "onnxruntime")
    kept = {file for v in variants for file in v.files} | {
        PHOTO_RECORD_FILE,
        STATISTICS_FILE,
        OOD_FILE,
        REFERENCE_FILE,
    }
    with new_bundle(folder) as released:
        for file in sorted(kept):
            (released / file).write_bytes(bundle.read(file))
        golden = build_golden(
            [open_engine(bundle, variant.name) for variant in variants], bundle.spec.input
        )
        (released / GOLDEN_FILE).write_text(golden.to_json())
        provenance = {"licence": _LICENCE} | bundle.spec.provenance
        search = provenance["search"]
        provenance["search"] = {v.name: search[v.name] for v in variants if v.name in search}
        spec = dataclasses.replace(
            bundle.spec,
            name=name,
            variants=variants,
            files=hash_files(released),
            provenance=provenance,
        )
        write_manifest(released, spec)


if __name__ == "__main__":
    main()
