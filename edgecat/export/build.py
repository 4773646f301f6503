"""A finished run -> a bundle: export, prove equality, quantize, prove accuracy, write.

Nothing is written at the bundle's path before every proof has been given.
"""

import dataclasses
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from edgecat import scores
from edgecat.bundle import check_replaceable, hash_files, new_bundle, write_manifest
from edgecat.compare import AccuracyChange, compare_accuracy
from edgecat.errors import AccuracyLost, DatasetError, TrainError
from edgecat.evaluate import Answers, answer_photos
from edgecat.export.optimize import optimize_graph
from edgecat.export.parity import NUM_PHOTOS, check_parity, fill_up
from edgecat.export.statistics import collect_statistics
from edgecat.export.to_onnx import export_onnx
from edgecat.export.to_openvino import export_openvino
from edgecat.photos import LabelledPhoto, read_photos
from edgecat.pixels import Pixels, load_pixels
from edgecat.progress import Progress, Silent
from edgecat.quantize.calibration import choose_calibration
from edgecat.quantize.ladder import Judges, climb
from edgecat.runtime.engines.base import Engine, open_model
from edgecat.seen import SEEN_FILE, seen_photos
from edgecat.spec import ModelSpec, Score, Variant
from edgecat.split import Split
from edgecat.train import run as runs
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.run import RunRecord, load_run, load_split
from edgecat.train.unfold import STATISTICS_FILE

#: Most that an INT8 variant may lose on the test photos, percentage points; a loss of one photo
#: is never refused, since a small test set cannot tell it from none.
MAX_DROP_PP = 1.5


FLOAT_VARIANTS = (
    Variant("onnxruntime-fp32", ("onnxruntime-fp32.onnx",)),
    Variant("openvino-fp32", ("openvino-fp32.xml", "openvino-fp32.bin")),
)
INT8_VARIANTS = (
    Variant("onnxruntime-int8", ("onnxruntime-int8.onnx",)),
    Variant("openvino-int8", ("openvino-int8.xml", "openvino-int8.bin")),
)

# Validation photos that judge INT8 recipes: 77 MB of pixels, an interval of about +-1 pp.
_MAX_JUDGES = 512


@dataclasses.dataclass
class Model:
    """A variant's files while it is being proven."""

    variant: Variant
    files: list[bytes]

    def open(self) -> Engine:
        """Open it on all cores."""
        return open_model(self.variant, self.files)


def export_run(
    run: Path,
    out: Path,
    *,
    int8: bool = False,
    data: Path | None = None,
    progress: Progress | None = None,
) -> ModelSpec:
    """Export a run as a bundle.

    Args:
        run: What `edgecat.train.loop.finetune` wrote.
        out: The bundle to make or replace.
        int8: Add INT8 variants.
        data: Where the run's photos are now; None for where they were.
        progress: Told of each step.

    Returns:
        The bundle's manifest, with the test scores of each variant.

    Raises:
        TrainError: No finished run.
        DatasetError: The run's photos are gone or changed.
        ParityError: An exported model answers otherwise than the checkpoint; nothing is written.
        AccuracyLost: An INT8 variant lost too much; the bundle is written without it.
        BundleError: Something that is no bundle stands at `out`.
        StorageError: The disk is full; a bundle that stood there is intact.
    """
    progress = progress or Silent()
    check_replaceable(out)
    record, split = load_run(run), load_split(run)
    if record.outcome is None:
        raise TrainError(
            f"{run}: the run has not finished; go on with it: edgecat finetune ... --resume"
        )
    photos = _RunPhotos(split, data or Path(record.data), progress)
    network = load_network(run, record)

    proof = fill_up(photos.pixels("photos to prove with", _choose_proof(split)))
    expected = predict_logits(network, proof, torch.device("cpu"))
    progress.say("export to ONNX")
    plain = export_onnx(network)
    graph, changes = optimize_graph(plain, proof)
    models = build_float_models(graph)
    parities = {}
    for model in models:
        parity = check_parity(model.open(), proof, expected)
        parities[model.variant.name] = dataclasses.asdict(parity)
        progress.say(
            f"{model.variant.name}: answers as the checkpoint on {parity.num_images} photos, "
            f"logits within {parity.logit_gap:.1g}"
        )
    calibration: list[int] = []
    quantized: list[Model] = []
    ladder: dict[str, Any] = {}
    if int8:
        calibration = choose_calibration(split, record.seed)
        pixels = photos.pixels("photos to calibrate with", calibration)
        judges = _find_judges(photos, split, record, network)
        for variant in INT8_VARIANTS:
            files, rungs = climb(variant, graph, pixels, judges, progress)
            quantized.append(Model(variant, files))
            ladder[variant.name] = [dataclasses.asdict(rung) for rung in rungs]
    if _has_bf16():
        # The same files as openvino-fp32, computed otherwise: judged like a quantized model.
        fp32 = models[-1]
        quantized.insert(0, Model(Variant("openvino-bf16", fp32.variant.files), fp32.files))

    kept, refused = judge(models, quantized, network, photos, record.labels, progress)
    with new_bundle(out) as folder:
        for model in kept:
            for name, content in zip(model.variant.files, model.files, strict=True):
                (folder / name).write_bytes(content)
        (folder / SEEN_FILE).write_text(seen_photos(split, calibration).to_json())
        (folder / STATISTICS_FILE).write_bytes(_statistics(network, graph))
        spec = ModelSpec(
            name=out.name.removesuffix(".edgecat"),
            arch=record.arch,
            labels=record.labels,
            variants=tuple(model.variant for model in kept),
            files=hash_files(folder),
            provenance=_provenance(record, split)
            | {
                "graph_passes": changes,
                "parity": parities,
                "num_calibration": len(calibration),
                "ladder": ladder,
            },
        )
        write_manifest(folder, spec)
    if refused:
        raise AccuracyLost(
            f"{', '.join(refused)} refused, {out} was written without; accepted is a drop of at "
            f"most {MAX_DROP_PP} pp on the test photos. More training photos or more epochs "
            "usually help."
        )
    return spec


def load_network(run: Path, record: RunRecord) -> PhotoNetwork:
    """Return a run's network with the weights of its best epoch, on the CPU.

    Raises:
        TrainError: The weights are missing, damaged or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    network = build_network(record.arch, len(record.labels))
    try:
        network.load_state_dict(load((run / runs.MODEL).read_bytes()))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise TrainError(
            f"{run / runs.MODEL}: not the weights of this run ({str(error).splitlines()[0]}); "
            "fine-tune again"
        ) from error
    return network


def build_float_models(graph: onnx.ModelProto) -> list[Model]:
    """Return the float variants of a graph."""
    files = ([graph.SerializeToString()], list(export_openvino(graph)))
    return [Model(*parts) for parts in zip(FLOAT_VARIANTS, files, strict=True)]


def judge(
    models: Sequence[Model],
    quantized: Sequence[Model],
    network: PhotoNetwork,
    photos: "_RunPhotos",
    labels: Sequence[str],
    progress: Progress,
) -> tuple[list[Model], list[str]]:
    """Measure every variant on the test photos; return those to keep and who was refused, why.

    Args:
        models: Float variants, proven equal.
        quantized: Variants that may have lost accuracy.
        network: The checkpoint, the reference.
        photos: Of the run.
        labels: In the order of the logits.
        progress: Told of each result.
    """

    def answer_checkpoint(batch: Pixels) -> scores.Logits:
        return predict_logits(network, batch, torch.device("cpu"))

    engines = [model.open() for model in (*models, *quantized)]
    answers = photos.answers("test", labels, [answer_checkpoint, *(e.run for e in engines)])
    for engine in engines:
        engine.close()
    kept: list[Model] = []
    refused: list[str] = []
    for model, logits in zip((*models, *quantized), answers.logits[1:], strict=True):
        change = compare_accuracy(answers.logits[0], logits, answers.targets)
        progress.say(describe_change(model.variant.name, change))
        if model in quantized and is_lost(change):
            loss = (
                f"{model.variant.name} lost {change.drop_pp:.1f} pp of "
                f"{100 * change.reference_top1_ratio:.1f} % ({change.num_images} photos)"
            )
            if model.variant in INT8_VARIANTS:
                refused.append(loss)
            else:  # nobody asked for bf16
                progress.say(f"left out: {loss}")
            continue
        kept.append(Model(dataclasses.replace(model.variant, score=_score(change)), model.files))
    return kept, refused


def is_lost(change: AccuracyChange) -> bool:
    """Return whether a drop is more than `MAX_DROP_PP` and more than one photo."""
    return change.drop_pp > MAX_DROP_PP and change.num_lost > 1


def describe_change(name: str, change: AccuracyChange) -> str:
    """Return the line that reports a variant's accuracy."""
    low, high = change.drop_interval_pp
    return (
        f"{name}: test top-1 {100 * change.top1_ratio:.1f} % of {change.num_images} photos, drop "
        f"{change.drop_pp:+.1f} pp (95 % interval {low:+.1f} to {high:+.1f}), same answer as the "
        f"checkpoint on {100 * change.agreement_ratio:.1f} %"
    )


class _RunPhotos:
    """A run's photos, read again and proven to be the same."""

    def __init__(self, split: Split, root: Path, progress: Progress) -> None:
        if not root.is_dir():
            raise DatasetError(
                f"{root}: the run's photos are gone; say where they are now with --data DIR"
            )
        self._split, self._root, self._progress = split, root, progress

    def pixels(self, title: str, positions: Sequence[int]) -> Pixels:
        """Return uint8 `[N, 224, 224, 3]`, RGB."""
        batch = []
        with self._progress.phase(title, len(positions)) as step:
            found = read_photos(
                self._photos(positions), load_pixels, on_photo=step, on_broken=_refuse_broken
            )
            for position, (_, sha256, pixels) in zip(positions, found, strict=True):
                self._check(position, sha256)
                batch.append(pixels)
        return np.stack(batch)

    def answers(
        self,
        split: str,
        labels: Sequence[str],
        models: Sequence[Callable[[Pixels], scores.Logits]],
    ) -> Answers:
        """Return what models answer to a split's photos."""
        positions = self._split.indices(split)
        answers = answer_photos(
            models, labels, self._photos(positions), self._progress, on_broken=_refuse_broken
        )
        for position, sha256 in zip(positions, answers.hashes, strict=True):
            self._check(position, sha256)
        return answers

    def _photos(self, positions: Sequence[int]) -> list[LabelledPhoto]:
        photos = [self._split.photos[position] for position in positions]
        return [LabelledPhoto(self._root / photo.path, photo.label) for photo in photos]

    def _check(self, position: int, sha256: str) -> None:
        photo = self._split.photos[position]
        if photo.sha256 != sha256:
            raise DatasetError(
                f"{self._root / photo.path}: changed since the run; fine-tune again, or say where "
                "the run's photos are with --data DIR"
            )


def _refuse_broken(problem: str) -> None:
    """Refuse a photo that could be read during the run.

    Raises:
        DatasetError: Always.
    """
    raise DatasetError(
        f"{problem}. The run's photos are not what they were; say where they are with --data DIR"
    )


def _choose_proof(split: Split) -> list[int]:
    """Return positions of photos to prove equality with: validation first, then training."""
    return [*split.indices("val"), *split.indices("train")][:NUM_PHOTOS]


def _find_judges(
    photos: "_RunPhotos", split: Split, record: RunRecord, network: PhotoNetwork
) -> Judges:
    """Return validation photos, evenly over the split, and the checkpoint's answers."""
    positions = split.indices("val")
    positions = positions[:: -(-len(positions) // _MAX_JUDGES)]
    pixels = photos.pixels("photos to judge with", positions)
    targets = [record.labels.index(split.photos[position].label) for position in positions]
    expected = predict_logits(network, pixels, torch.device("cpu"))
    return Judges(pixels, np.array(targets, np.int64), expected)


def _statistics(network: PhotoNetwork, graph: onnx.ModelProto) -> bytes:
    from safetensors.torch import save

    return save(collect_statistics(network.network, graph))


def _score(change: AccuracyChange) -> Score:
    num_right = round(change.top1_ratio * change.num_images)
    return Score(
        split="test",
        num_images=change.num_images,
        top1_ratio=change.top1_ratio,
        top1_interval_ratio=scores.wilson_interval(num_right, change.num_images),
        agreement_ratio=change.agreement_ratio,
        drop_pp=change.drop_pp,
        drop_interval_pp=change.drop_interval_pp,
    )


def _has_bf16() -> bool:
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _provenance(record: RunRecord, split: Split) -> dict[str, Any]:
    """Return where the model is from; nothing of the machine that made it."""
    names = ("onnx", "onnxruntime", "openvino", "nncf")
    return {
        "weights": Path(record.weights).name,
        "num_tensors_loaded": record.num_loaded,
        "random_parameters": list(record.random),
        "seed": record.seed,
        "recipe": dataclasses.asdict(record.recipe),
        "data_sha256": record.data_sha256,
        "num_photos": record.num_photos,
        "num_near_duplicates": split.num_duplicates,
        "versions": record.versions | {name: version(name) for name in names},
    }
