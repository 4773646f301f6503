"""A finished run -> a bundle: export, prove equality, quantize, prove accuracy, write.

Nothing is written at the bundle's path before every proof has been given.
"""

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.manifest import ModelSpec, OodSpec, Variant
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, record_photos
from edgecat.bundle.score import Flips, Score
from edgecat.bundle.store import check_replaceable, hash_files, new_bundle, write_manifest
from edgecat.errors import AccuracyLost, TrainError
from edgecat.export.golden import build_golden
from edgecat.export.ood import find_threshold, learn_detector
from edgecat.export.parity import NUM_PHOTOS, check_parity, fill_up
from edgecat.export.photos import RunPhotos
from edgecat.export.statistics import collect_statistics
from edgecat.export.to_onnx import export_onnx
from edgecat.export.verdict import decide, measure_ratios
from edgecat.graph.optimize import optimize_graph
from edgecat.graph.to_openvino import export_openvino
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Split
from edgecat.progress import Progress, Silent
from edgecat.quantize.calibration import choose_calibration
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.search import Budget, SearchResult, ValidationSet, search_recipes
from edgecat.runtime.engines.base import Engine, open_model
from edgecat.runtime.engines.openvino import open_core
from edgecat.scores import metrics
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.ood import OOD_FILE, OodDetector
from edgecat.train import run as runs
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.run import RunRecord, load_run, load_split
from edgecat.train.threads import limit_threads
from edgecat.train.unfold import STATISTICS_FILE

FLOAT_VARIANTS = (
    Variant("onnxruntime-fp32", ("onnxruntime-fp32.onnx",)),
    Variant("openvino-fp32", ("openvino-fp32.xml.gz", "openvino-fp32.bin")),
)
INT8_VARIANTS = (
    Variant("onnxruntime-int8", ("onnxruntime-int8.onnx",)),
    Variant("openvino-int8", ("openvino-int8.xml.gz", "openvino-int8.bin")),
)

# Validation photos that INT8 recipes are compared on: 77 MB of pixels, an interval of about +-1 pp.
_MAX_VALIDATION = 512

# Training photos to distil with: 308 MB of pixels; all steps together see 10,560 photos.
_MAX_DISTILLATION = 2048


@dataclasses.dataclass
class Model:
    """A variant's files while it is being proven.

    Attributes:
        variant: Its name and its files' names.
        files: The files.
        change: What it loses on the validation photos; None where it answers as the checkpoint.
    """

    variant: Variant
    files: list[bytes]
    change: AccuracyChange | None = None

    def open(self, threads: int | None = None) -> Engine:
        """Open it; None for as many threads as pay off here."""
        return open_model(self.variant, self.files, threads)


def export_run(
    run: Path,
    out: Path,
    *,
    int8: Budget | None = None,
    data: Path | None = None,
    progress: Progress | None = None,
) -> ModelSpec:
    """Export a run as a bundle.

    Args:
        run: What `edgecat.train.loop.finetune` wrote.
        out: The bundle to make or replace.
        int8: What INT8 variants may cost; None for a bundle without.
        data: Where the run's photos are now; None for where they were.
        progress: Told of each step.

    Returns:
        The bundle's manifest, with the test scores and the verdict of each variant.

    Raises:
        TrainError: No finished run.
        DatasetError: The run's photos are gone or changed.
        ParityError: An exported model answers otherwise than the checkpoint; nothing is written.
        QuantizeError: The checkpoint cannot be quantized; nothing is written.
        AccuracyLost: An INT8 variant is over budget; the bundle is written without it.
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
    limit_threads()
    photos = RunPhotos(split, data or Path(record.data), progress)
    network = load_network(run, record)

    proof = fill_up(photos.pixels("photos to prove with", _choose_proof(split)))
    expected = predict_logits(network, proof, torch.device("cpu"))
    progress.say("export to ONNX")
    graph, changes = optimize_graph(export_onnx(network), proof)
    models = build_float_models(graph)
    parities = {}
    for model in models:
        parity = check_parity(model.open(), proof, expected)
        parities[model.variant.name] = dataclasses.asdict(parity)
        progress.say(
            f"{model.variant.name}: answers as the checkpoint on {parity.num_images} photos, "
            f"logits within {parity.logit_gap:.1g}"
        )
    budget = int8 or Budget()
    validation = _load_validation_set(photos, split, record, network)
    bf16 = _build_bf16(models, validation)
    if bf16 is not None and bf16.change is not None:
        if budget.holds(bf16.change):
            models.append(bf16)
        else:
            progress.say(f"left out: {_describe_loss(bf16.variant, bf16.change)}")
    searches: dict[str, SearchResult] = {}
    refused: list[str] = []
    calibration = choose_calibration(split, record.seed)
    pixels = photos.pixels("photos to calibrate with", calibration)
    if int8:
        quantizer = Quantizer(graph, pixels, _load_distillation_set(photos, split, int8))
        for number, variant in enumerate(INT8_VARIANTS):
            floats = models[number].open(threads=1)
            found = search_recipes(variant, quantizer, floats, validation, int8, progress)
            floats.close()
            searches[variant.name] = found
            if int8.holds(found.chosen.change) or int8.allows_drop:
                models.append(Model(variant, found.files, found.chosen.change))
            else:
                loss = _describe_loss(variant, found.chosen.change)
                refused.append(f"refused: the best step of {loss}")

    temperature = metrics.fit_temperature(validation.expected, validation.targets)
    detector = _set_thresholds(models, pixels, validation)
    variants = _rate(models, network, photos, record.labels, temperature, budget, progress)
    with new_bundle(out) as folder:
        for model in models:
            for name, content in zip(model.variant.files, model.files, strict=True):
                (folder / name).write_bytes(content)
        (folder / PHOTO_RECORD_FILE).write_text(
            record_photos(split, calibration).to_json(), encoding="utf-8"
        )
        (folder / STATISTICS_FILE).write_bytes(_statistics(network, graph))
        (folder / OOD_FILE).write_bytes(detector.to_bytes())
        (folder / GOLDEN_FILE).write_text(_answer_golden(models), encoding="utf-8")
        spec = ModelSpec(
            name=out.name.removesuffix(".edgecat"),
            arch=record.arch,
            labels=record.labels,
            variants=variants,
            files=hash_files(folder),
            temperature=temperature,
            ood=OodSpec(OOD_FILE, detector.residual_weight),
            provenance=_provenance(record, split)
            | {
                "graph_passes": changes,
                "parity": parities,
                "num_calibration": len(calibration),
                "budget": dataclasses.asdict(budget) if int8 else None,
                "search": {name: found.to_dict() for name, found in searches.items()},
            },
        )
        write_manifest(folder, spec)
    if refused:
        raise AccuracyLost(
            f"{', '.join(refused)}; {out} was written without. Accepted is a drop of at most "
            f"{budget.max_drop_pp:g} pp on the validation photos (--max-drop). More training "
            "photos or more epochs usually help, --search full if it was quick; --allow-drop keeps "
            "the best all the same."
        )
    return spec


def load_network(run: Path, record: RunRecord) -> PhotoNetwork:
    """Return a run's network with the weights of its best epoch, on the CPU.

    Raises:
        TrainError: The weights are missing, damaged, no numbers, or of another network.
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
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise TrainError(
                f"{run / runs.MODEL}: {name} holds values that are NaN or infinite; fine-tune "
                "again with a smaller learning rate: --set backbone_rate=1e-4"
            )
    return network


def build_float_models(graph: onnx.ModelProto) -> list[Model]:
    """Return the float variants of a graph."""
    files = ([graph.SerializeToString()], list(export_openvino(graph)))
    return [Model(*parts) for parts in zip(FLOAT_VARIANTS, files, strict=True)]


def _rate(
    models: Sequence[Model],
    network: PhotoNetwork,
    photos: RunPhotos,
    labels: Sequence[str],
    temperature: float,
    budget: Budget,
    progress: Progress,
) -> tuple[Variant, ...]:
    """Return the models' variants with their verdicts, and their scores on the test photos.

    The verdicts are given before the test photos are looked at. Confidence is measured at the
    bundle's temperature, as a user will see it.
    """
    single = {model.variant.name: model.open(threads=1) for model in models}
    ratios = measure_ratios(single)
    for engine in single.values():
        engine.close()
    verdicts = [decide(model.variant, ratios, model.change, budget) for model in models]

    def answer_checkpoint(batch: Pixels) -> metrics.Logits:
        return predict_logits(network, batch, torch.device("cpu"))

    engines = [model.open() for model in models]
    answers = photos.answers("test", labels, [answer_checkpoint, *(e.run for e in engines)])
    for engine in engines:
        engine.close()
    rated = []
    reference, *others = (logits / np.float32(temperature) for logits in answers.logits)
    for model, verdict, logits in zip(models, verdicts, others, strict=True):
        change = compare_accuracy(reference, logits, answers.targets)
        flips = metrics.count_flips(reference, logits, answers.targets)
        score = _score(
            change, {label: Flips(*map(int, flips[i])) for i, label in enumerate(labels)}
        )
        progress.say(_describe_change(model.variant.name, change))
        rated.append(dataclasses.replace(model.variant, score=score, verdict=verdict))
    for model, verdict in zip(models, verdicts, strict=True):
        progress.say(f"{model.variant.name}: {verdict.describe()}")
    return tuple(rated)


def _describe_change(name: str, change: AccuracyChange) -> str:
    low, high = change.drop_interval_pp
    return (
        f"{name}: test top-1 {100 * change.top1_ratio:.1f} % of {change.num_images} photos, drop "
        f"{change.drop_pp:+.1f} pp (95 % interval {low:+.1f} to {high:+.1f}, McNemar p "
        f"{change.mcnemar_p:.2f}), same answer as the checkpoint on "
        f"{100 * change.agreement_ratio:.1f} %, calibration error "
        f"{100 * change.reference_calibration_error_ratio:.1f} -> "
        f"{100 * change.calibration_error_ratio:.1f} %"
    )


def _describe_loss(variant: Variant, change: AccuracyChange) -> str:
    return (
        f"{variant.name} lost {change.drop_pp:.1f} pp of "
        f"{100 * change.reference_top1_ratio:.1f} % ({change.num_images} validation photos)"
    )


def _choose_proof(split: Split) -> list[int]:
    """Return positions of photos to prove equality with: validation first, then training."""
    return [*split.indices("val"), *split.indices("train")][:NUM_PHOTOS]


def _thin(positions: Sequence[int], most: int) -> list[int]:
    """Return at most so many positions, evenly spread."""
    return list(positions[:: -(-len(positions) // most) or 1])


def _load_validation_set(
    photos: RunPhotos, split: Split, record: RunRecord, network: PhotoNetwork
) -> ValidationSet:
    """Return validation photos, evenly over the split, and the checkpoint's answers."""
    positions = _thin(split.indices("val"), _MAX_VALIDATION)
    pixels = photos.pixels("validation photos", positions)
    targets = [record.labels.index(split.photos[position].label) for position in positions]
    expected = predict_logits(network, pixels, torch.device("cpu"))
    return ValidationSet(pixels, np.array(targets, np.int64), expected)


def _load_distillation_set(photos: RunPhotos, split: Split, budget: Budget) -> Pixels | None:
    """Return training photos to distil with, where the search has a step that does."""
    if budget.search != "full":
        return None
    return photos.pixels("photos to distil with", _thin(split.indices("train"), _MAX_DISTILLATION))


def _set_thresholds(
    models: Sequence[Model], calibration: Pixels, validation: ValidationSet
) -> OodDetector:
    """Give every variant the OOD score above which it calls a photo unknown."""
    floats = models[0].open()
    detector = learn_detector(floats, calibration)
    floats.close()
    for model in models:
        engine = model.open()
        threshold = find_threshold(engine, detector, validation.photos)
        engine.close()
        model.variant = dataclasses.replace(model.variant, ood_threshold=threshold)
    return detector


def _build_bf16(models: Sequence[Model], validation: ValidationSet) -> Model | None:
    """Return the files of openvino-fp32, computed otherwise; None where the CPU has no bf16."""
    if "BF16" not in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    fp32 = models[-1]
    model = Model(Variant("openvino-bf16", fp32.variant.files), fp32.files)
    engine = model.open()
    model.change = validation.compare(engine)
    engine.close()
    return model


def _statistics(network: PhotoNetwork, graph: onnx.ModelProto) -> bytes:
    from safetensors.torch import save

    return save(collect_statistics(network.network, graph))


def _answer_golden(models: Sequence[Model]) -> str:
    engines = [model.open() for model in models]
    golden = build_golden(engines)
    for engine in engines:
        engine.close()
    return golden.to_json()


def _score(change: AccuracyChange, flips: dict[str, Flips]) -> Score:
    num_right = round(change.top1_ratio * change.num_images)
    return Score(
        split="test",
        num_images=change.num_images,
        top1_ratio=change.top1_ratio,
        top1_interval_ratio=metrics.wilson_interval(num_right, change.num_images),
        agreement_ratio=change.agreement_ratio,
        drop_pp=change.drop_pp,
        drop_interval_pp=change.drop_interval_pp,
        mcnemar_p=change.mcnemar_p,
        reference_calibration_error_ratio=change.reference_calibration_error_ratio,
        calibration_error_ratio=change.calibration_error_ratio,
        flips={label: flip for label, flip in flips.items() if flip.num_lost or flip.num_gained},
    )


def _provenance(record: RunRecord, split: Split) -> dict[str, Any]:
    """Return where the model is from; nothing of the machine that made it."""
    names = ("onnx", "onnxruntime", "openvino")
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
