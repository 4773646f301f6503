r"""Make the released model again: edgecat/assets/cats12, from the run of seed 0.

python -m benchmarks.accuracy.finetune_cats ../shared/cats --weights BACKBONE.pth --preset good \
    --work runs/good
python -m benchmarks.int8.export_cats ../shared/cats --work runs/good
python -m benchmarks.release_cats12 --work runs/good

Seed 0 because it is the first: no seed was chosen by its score.
"""

import dataclasses
from pathlib import Path

import click

from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE
from edgecat.bundle.reference import REFERENCE_FILE
from edgecat.bundle.store import ASSETS, hash_files, load_bundle, new_bundle, write_manifest
from edgecat.export.golden import build_golden
from edgecat.runtime.choice import open_engine
from edgecat.scores.ood import OOD_FILE
from edgecat.train.unfold import STATISTICS_FILE

# The wheel carries both variants that run without an extra, and what --weights cats12 needs; no
# features of known photos, for which there is no room: `enroll` takes a bundle of one's own.
_MAX_BYTES = 8_100_000

_LICENCE = {
    "model": "Apache-2.0, as edgecat",
    "photos": "cat part of Oxford-IIIT Pet (Parkhi et al., Cats and Dogs, CVPR 2012), CC BY-SA 4.0",
    "initial_weights": "torchvision mobilenet_v3_small ImageNet-1K (BSD-3-Clause), backbone",
    "teacher": "EfficientNet-Lite2 (Apache-2.0), fine-tuned on the same photos",
}


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default="runs/good", show_default=True)
def main(work: Path) -> None:
    """Keep the ONNX Runtime variants of the bundle of seed 0."""
    bundle = load_bundle(work / "seed0.edgecat")
    variants = tuple(v for v in bundle.spec.variants if v.engine == "onnxruntime")
    kept = {file for v in variants for file in v.files} | {
        PHOTO_RECORD_FILE,
        STATISTICS_FILE,
        OOD_FILE,
        REFERENCE_FILE,
    }
    with new_bundle(ASSETS / "cats12") as released:
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
            name="cats12",
            variants=variants,
            files=hash_files(released),
            provenance=provenance,
        )
        write_manifest(released, spec)
    size_bytes = sum(path.stat().st_size for path in (ASSETS / "cats12").iterdir())
    if size_bytes > _MAX_BYTES:
        raise click.ClickException(f"{size_bytes} bytes, more than {_MAX_BYTES}")
    print(f"{ASSETS / 'cats12'}: {size_bytes / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
