"""Everything that a report is made of, tiny and real: runs, bundles, results, photos."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2", reason="needs edgecat[report]")
pytest.importorskip("matplotlib", reason="needs edgecat[report]")

from edgecat.bench.report import Report, Row
from edgecat.bundle.manifest import Variant
from edgecat.bundle.score import Flips, Score
from edgecat.bundle.verdict import Verdict
from edgecat.machine.conditions import Conditions
from edgecat.machine.noise import Noise
from edgecat.report.answers import Answers, ModelAnswers, OodScores, answer_photos
from edgecat.report.facts import collect_facts
from edgecat.report.page import build_sections, render_page
from edgecat.report.sources import load_sources
from edgecat.scores.class_score import ClassScore
from edgecat.strict import to_json
from edgecat.train.history import write_metrics
from edgecat.train.recipe import Recipe
from edgecat.train.run import METRICS, Outcome, RunRecord
from tests.conftest import build_colour_model, write_bundle

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"

# What a browser, YAML, Markdown or a terminal could take for something else than a name.
EVIL_LABELS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "한국 고양이",
    "R&D | 'a' `b` *c* _d_ [e](javascript:f)",
    "{{ 7 * 7 }} $x^2$",
    "--- : # -",
)


def write_run(folder, labels=tuple(COLOURS), **changes):
    """Write the records of a run, as finetune does: no weights, no photos."""
    folder.mkdir(parents=True)
    scores = {label: ClassScore(10, 0.9, 0.75) for label in labels}
    outcome = Outcome(2, 0.9, 10 * len(labels), 0.9, (0.8, 0.95), 65.0, 100.0, 0.9, 0.89, scores)
    values = {
        "arch": "mobilenet_v3_small", "labels": labels, "weights": "/home/me/start.pth",
        "num_loaded": 240, "random": ("classifier.3.weight",), "seed": 3, "recipe": Recipe(),
        "data": "/nowhere/photos", "data_sha256": "ab" * 32, "num_photos": {"train": 40},
        "device": "cpu (2 threads)", "versions": {"torch": "2.13.0"}, "outcome": outcome,
    }  # fmt: skip
    RunRecord(**values | changes).save(folder)
    rows = [
        {"epoch": epoch, "train_loss": 2 / epoch, "val_loss": 1 / epoch, "val_top1_ratio": 0.9,
         "val_macro_f1_ratio": 0.88}
        for epoch in (1, 2, 3)
    ]  # fmt: skip
    write_metrics(rows, folder / METRICS)
    return folder


def build_score(drop_pp=0.0, labels=tuple(COLOURS)):
    flips = {labels[0]: Flips(2, 1)} if drop_pp else {}
    per_class = {label: ClassScore(10, 0.9, 0.9) for label in labels}
    return Score(
        "test", 30, 0.9, (0.74, 0.97), 0.95, drop_pp, (drop_pp - 2, drop_pp + 2), 0.5, 0.05, 0.06,
        flips, 0.89, per_class,
    )  # fmt: skip


def build_search(chosen="stem in float"):
    change = {
        "num_images": 30, "reference_top1_ratio": 0.9, "top1_ratio": 0.9, "agreement_ratio": 0.97,
        "num_lost": 0, "num_gained": 0, "drop_pp": 0.5,
        "drop_interval_pp": [-1.0, 2.0], "mcnemar_p": 1.0,
    }  # fmt: skip
    lossy = change | {"drop_pp": 70.0, "drop_interval_pp": [60.0, 80.0]}
    return {
        "chosen": chosen,
        "steps": [
            {"recipe": {"title": title}, "change": found, "latency_ratio": 0.7, "duration_s": 2.0}
            for title, found in (("min-max ranges", lossy), ("stem in float", change))
        ],
    }


def write_rated_bundle(parent, files, labels=tuple(COLOURS), **spec):
    """Write a bundle of two variants with scores, verdicts and a search for the second one."""
    verdict = Verdict(("x86-vnni",), {"arm": "not made for it"}, "x86-vnni", 0.8)
    exact = dataclasses.replace(verdict, latency_ratio=1.0)
    values = {
        "variants": (
            Variant(FP32, ("model.onnx",), build_score(labels=labels), exact),
            Variant(INT8, ("other.onnx",), build_score(1.5, labels), verdict),
        ),
        "provenance": {"seed": 3, "search": {INT8: build_search()}},
    }
    return write_bundle(parent, labels, files, **values | spec)


def write_results(path, bundle="colours", shift_ms=0.0, top1=0.9, noise="quiet"):
    rows = tuple(
        Row(
            name, 1, name.split("-")[1], {"p50": ms, "p95": ms + 1, "p99": ms + 3}, (ms, ms), 90.0,
            300.0, 90_000_000, 6_000_000, ratio, None, top1, None if top1 is None else (0.8, 0.95),
            30,
        )
        for name, ms, ratio in ((FP32, 10 + shift_ms, None), (INT8, 6 + shift_ms, 0.6))
    )  # fmt: skip
    calm = Conditions("ondemand", 2400.0, 50.0, 0, 0.1)
    settings = {"bundle": bundle, "threads": 1, "num_rounds": 240, "batch_size": 8}
    host = {
        "cpu": "Cortex-A76", "num_cpus": 4, "features": [], "governor": None,
        "temperature_c": None, "load_1min": 0.1, "versions": {},
    }  # fmt: skip
    heard = Noise(noise, 0.01)
    report = Report(host, settings, rows, {}, (), calm, calm, heard)
    path.write_text(to_json(report.to_dict()))
    return path


@pytest.fixture(scope="session")
def colour_models():
    """Two real models: by the mean colour, and one that is half blind to red."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    exact = build_colour_model(onnx, side_px=224)
    model = onnx.load_from_string(exact)
    model.graph.node[-1].output[0] = "means"
    weights = onnx.numpy_helper.from_array(np.array([0.2, 1, 1], np.float32), "weights")
    model.graph.initializer.append(weights)
    model.graph.node.append(onnx.helper.make_node("Mul", ["means", "weights"], ["logits"]))
    return {"model.onnx": exact, "other.onnx": model.SerializeToString()}


@pytest.fixture
def colour_bundle(tmp_path, colour_models):
    """The bundle of both; logits are 0-255, so that the temperature makes them answers."""
    return write_rated_bundle(tmp_path, colour_models, temperature=20.0)


@pytest.fixture
def colour_photos(tmp_path):
    """Four photos a colour; the last red one is labelled so, but green."""
    rng = np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            shown = COLOURS["green"] if (label, number) == ("red", 3) else colour
            noise = rng.integers(0, 40, (60, 80, 3))
            picture = Image.fromarray((np.array(shown) + noise).astype(np.uint8))
            picture.save(tmp_path / "data" / label / f"{label}{number}.png")
    return tmp_path / "data"


def random_answers(labels, num_images=120, seed=0):
    """Answers of two models to photos that nobody has: for what shows no photo."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(labels), num_images)
    logits = rng.normal(size=(num_images, len(labels))).astype(np.float32)
    logits[np.arange(num_images), targets] += 2
    blurred = logits + rng.normal(size=logits.shape).astype(np.float32) / 2
    models = (ModelAnswers(FP32, logits), ModelAnswers(INT8, blurred))
    ood = OodScores(FP32, 1.0, rng.normal(size=num_images), rng.normal(3, 1, 50))
    return Answers("test", 0, (), targets, models, None, ood)


def render(names, answers=None, *, shows_photos=True):
    """Return the page of what was given."""
    facts = collect_facts(load_sources(list(map(str, names))), answers, shows_photos=shows_photos)
    return render_page(facts, *build_sections(facts))


def build(names, photos=None, progress=None):
    """Return the sections by their address, and the titles of those that are missing."""
    sources = load_sources(list(map(str, names)))
    answers = answer_photos(sources, photos, progress) if photos else None
    sections, missing = build_sections(collect_facts(sources, answers, shows_photos=True))
    return {each.name: each for each in sections}, {each.title for each in missing}
