r"""Make the released model again, edgecat/assets/cats12, from the run of seed 0.

python -m benchmarks.accuracy.finetune_cats ../shared/cats --weights BACKBONE.pth --preset good \
    --work runs/good
edgecat export runs/good/seed0 --out runs/good/seed0.edgecat --int8
python -m benchmarks.release_models runs/good/seed0.edgecat

Seed 0 because it is the first: no seed was chosen by its score.

A model is compressed unless it is what a device opens by itself: no start is to wait for that.
"""

import dataclasses
from pathlib import Path

import click

from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.gzipped import GZIPPED, compress
from edgecat.bundle.manifest import FileRecord, ModelSpec, Variant
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE
from edgecat.bundle.reference import REFERENCE_FILE
from edgecat.bundle.store import ASSETS, Bundle, load_bundle, new_bundle, write_manifest
from edgecat.export.golden import build_golden
from edgecat.runtime.choice import open_engine
from edgecat.scores.ood import OOD_FILE
from edgecat.train.unfold import STATISTICS_FILE

# The wheel carries both variants that run without an extra, and what --weights cats12 needs; no
# features of known photos, for which there is no room: `enroll` takes a bundle of one's own.
# There is no room for a leaner model beside it: an install without ONNX Runtime ends at 100 MB
# (tests/emulated/test_without_onnxruntime.py).
_MAX_BYTES = 7_700_000

_NAME = "cats12"

_LICENCE = {
    "model": "Apache-2.0, as edgecat",
    "photos": "cat part of Oxford-IIIT Pet (Parkhi et al., Cats and Dogs, CVPR 2012), CC BY-SA 4.0",
    "initial_weights": "torchvision mobilenet_v3_small ImageNet-1K (BSD-3-Clause), backbone",
    "teacher": "EfficientNet-Lite2 (Apache-2.0), fine-tuned on the same photos",
}


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def main(bundle: Path) -> None:
    """Release the ONNX Runtime variants of a bundle."""
    released = ASSETS / _NAME
    _release(load_bundle(bundle), released)
    size_bytes = sum(path.stat().st_size for path in released.iterdir())
    if size_bytes > _MAX_BYTES:
        raise click.ClickException(f"{size_bytes} bytes, more than {_MAX_BYTES}")
    print(f"{released}: {size_bytes / 1e6:.2f} MB")


def _release(bundle: Bundle, folder: Path) -> None:
    kept = tuple(v for v in bundle.spec.variants if v.engine == "onnxruntime")
    opened = _list_opened(dataclasses.replace(bundle.spec, variants=kept))
    with new_bundle(folder) as released:
        variants = tuple(
            _write_model(bundle, variant, released, is_gzipped=variant.name not in opened)
            for variant in kept
        )
        for file in (PHOTO_RECORD_FILE, STATISTICS_FILE, OOD_FILE, REFERENCE_FILE):
            (released / file).write_bytes(bundle.read(file))
        golden = build_golden(
            [open_engine(bundle, variant.name) for variant in kept], bundle.spec.input
        )
        (released / GOLDEN_FILE).write_text(golden.to_json())
        written = sorted(released.iterdir())
        provenance = {"licence": _LICENCE} | bundle.spec.provenance
        search = provenance["search"]
        provenance["search"] = {v.name: search[v.name] for v in kept if v.name in search}
        spec = dataclasses.replace(
            bundle.spec,
            name=_NAME,
            variants=variants,
            files={path.name: FileRecord.of(path.read_bytes()) for path in written},
            provenance=provenance,
        )
        write_manifest(released, spec)


def _list_opened(spec: ModelSpec) -> set[str]:
    """Return the variants that are opened where nobody asks for one."""
    return {name for target in spec.targets for name in spec.preferred_variants(target)[:1]}


def _write_model(bundle: Bundle, variant: Variant, folder: Path, *, is_gzipped: bool) -> Variant:
    """Write a variant's files, and return it with their names."""
    ending = GZIPPED if is_gzipped else ""
    files = tuple(file.removesuffix(GZIPPED) + ending for file in variant.files)
    for file, data in zip(files, bundle.model_files(variant.name), strict=True):
        (folder / file).write_bytes(compress(file, data))
    return dataclasses.replace(variant, files=files)


if __name__ == "__main__":
    main()
