"""A finished run and its bundle -> what every peer is given."""

import hashlib
import json
import shutil
from pathlib import Path

import click
import numpy as np
import onnx
import torch

from benchmarks.peers.material import Material
from edgecat.atomic import new_folder
from edgecat.bundle.store import load_bundle
from edgecat.export.photos import RunPhotos
from edgecat.photos.input import InputSpec
from edgecat.progress import Silent
from edgecat.quantize.calibration import choose_calibration
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import reference_name
from edgecat.scores.compare import compare_logits
from edgecat.train.finished import Checkpoint, load_checkpoint

# Of two exact models that differ in the order of additions, on logits of up to 10.
_SAME_LOGITS = 1e-3

# Photos by which a bundle is recognized as the run's.
_NUM_COMPARED = 16


def prepare_material(run: Path, bundle: Path, data: Path, folder: Path) -> Material:
    """Write what every peer is given; what was written before stays, if it is of the same run.

    Args:
        run: What `edgecat finetune` wrote.
        bundle: What `edgecat export` made of it.
        data: The run's photos.
        folder: To be written.
    """
    material, checkpoint = Material(folder), load_checkpoint(run)
    origin = {
        "weights_sha256": checkpoint.weights_sha256,
        "bundle_sha256": hashlib.sha256(load_bundle(bundle).manifest).hexdigest(),
    }
    if not folder.exists():
        with new_folder(folder) as new:
            _write(checkpoint, data, origin, Material(new))
            shutil.copytree(bundle, Material(new).bundle)
            _check_same(Material(new))
    known = {name: material.facts[name] for name in origin}
    if known != origin:
        raise click.ClickException(
            f"{folder}: of another run or bundle; choose another --work, or remove it"
        )
    return material


def _write(checkpoint: Checkpoint, data: Path, origin: dict[str, str], material: Material) -> None:
    record, split = checkpoint.record, checkpoint.split
    photos = RunPhotos(split, data, record.input, Silent())
    seen, folder = [*split.indices("val"), *split.indices("test")], material.folder
    pixels = photos.pixels("photos", seen)
    targets = [record.labels.index(split.photos[position].label) for position in seen]
    np.save(folder / "photos.npy", pixels)
    np.save(folder / "targets.npy", np.array(targets, np.int64))
    np.save(folder / "logits.npy", checkpoint.answer(pixels))
    chosen = choose_calibration(split, record.seed)
    np.save(folder / "calibration.npy", photos.pixels("calibration", chosen))
    network = checkpoint.network.network
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(folder / "weights.npz", **tensors)
    _export(network, record.input, material.graph)
    facts = {
        "arch": record.arch,
        "num_classes": len(record.labels),
        "side_px": record.input.side_px,
        "mean": record.input.mean_ratio,
        "std": record.input.std_ratio,
        "num_photos": {name: len(split.indices(name)) for name in ("val", "test")},
    }
    (folder / "facts.json").write_text(json.dumps(facts | origin, indent=1))


def _export(network: torch.nn.Module, spec: InputSpec, path: Path) -> None:
    """Export as torch's users do, nothing rewritten."""
    plain = network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.zeros(1, 3, spec.side_px, spec.side_px)
    program = torch.onnx.export(
        plain,
        (example,),
        dynamo=True,
        input_names=["image"],
        output_names=["logits"],
        verbose=False,
    )
    onnx.save(program.model_proto, path)


def _check_same(material: Material) -> None:
    """Refuse a bundle that is not of this run."""
    engine = open_engine(load_bundle(material.bundle), reference_name(), 1)
    logits = engine.run(np.array(material.load_photos()[:_NUM_COMPARED]))
    gap = compare_logits(material.load_answers()[1][:_NUM_COMPARED], logits).logit_gap
    if not gap <= _SAME_LOGITS:
        raise click.ClickException(
            f"--bundle is not of --run: logits differ by {gap:.2g}; export the run"
        )
