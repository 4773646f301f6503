import dataclasses
import pickle

import numpy as np
import pytest
from PIL import Image

import edgecat
from edgecat.bundle.manifest import OodSpec, Variant
from edgecat.bundle.store import load_bundle, released_names
from edgecat.bundle.verdict import Verdict
from edgecat.errors import BundleError, ConfigError, EngineError, ImageError
from edgecat.photos.pixels import load_pixels
from edgecat.runtime.choice import Choice
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.prediction import Answer
from edgecat.runtime.target import TARGETS, detect_target
from edgecat.scores.ood import OOD_FILE, OodDetector

CHOICE = Choice("onnxruntime-fp32", 1, "asked", "asked for")

# float64 sums of a dozen probabilities.
SUM_GAP = 1e-9


class FakeEngine:
    name = "onnxruntime-fp32"

    def __init__(self):
        self.batches, self.closed = [], 0

    def run(self, batch):
        self.batches.append(batch)
        return batch.mean(axis=(1, 2), dtype=np.float64).astype(np.float32) / 64

    def describe(self):
        return {}

    def close(self):
        self.closed += 1


@pytest.fixture
def colours(make_bundle):
    return Classifier(load_bundle(make_bundle(temperature=2.0)), FakeEngine(), CHOICE)


class FakeEngineWithFeatures(FakeEngine):
    """Its features are the mean colour, brought near to 1."""

    def run_with_features(self, batch):
        logits = self.run(batch)
        return logits, logits / 4


KNOWN = OodDetector(
    centre=np.zeros(3, np.float16), directions=np.eye(3, dtype=np.float16)[:1], residual_weight=2.0
)


@pytest.fixture
def red_alone(make_bundle):
    """Knows pictures that are red and nothing else; its logits are 1/64 of the mean colours."""
    variant = Variant("onnxruntime-fp32", ("model.onnx",), ood_threshold=-3.0)
    folder = make_bundle(
        files={OOD_FILE: KNOWN.to_bytes()},
        ood=OodSpec(OOD_FILE, KNOWN.residual_weight),
        variants=(variant,),
    )
    return Classifier(load_bundle(folder), FakeEngineWithFeatures(), CHOICE)


@pytest.fixture(scope="module")
def cats():
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    with Classifier.open("cats12", threads=1) as classifier:
        yield classifier


def flat(colour):
    return Image.new("RGB", (40, 30), colour)


@pytest.mark.parametrize("colour", ["red", "lime", "blue"])
def test_the_answer_is_the_largest_logit(colours, colour):
    wanted = {"lime": "green"}.get(colour, colour)
    assert colours.predict(flat(colour)).label == wanted


def test_probabilities_use_the_bundles_temperature_and_sum_to_1(colours):
    answer = colours.predict(flat((255, 128, 0)))
    logits = np.array([255, 128, 0]) / 64 / 2.0
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert [guess.label for guess in answer.top] == ["red", "green", "blue"]
    # The fake's logits are float32.
    assert [guess.probability for guess in answer.top] == pytest.approx(wanted, abs=1e-6)
    assert sum(guess.probability for guess in answer.top) == pytest.approx(1, abs=SUM_GAP)
    assert (answer.label, answer.probability) == (answer.top[0].label, answer.top[0].probability)


@pytest.mark.parametrize(("top", "num_guesses"), [(1, 1), (2, 2), (3, 3), (4, 3), (1000, 3)])
def test_top_is_at_most_all_classes(colours, top, num_guesses):
    assert len(colours.predict(flat("red"), top=top).top) == num_guesses


@pytest.mark.parametrize("top", [0, -1])
def test_a_top_below_1_is_refused(colours, top):
    with pytest.raises(ConfigError, match=f"{top}: must be at least 1"):
        colours.predict(flat("red"), top=top)


def test_an_answer_is_frozen_to_its_depth(colours):
    answer = colours.predict(flat("red"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.label = "dog"
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.top[0].probability = 1.0
    with pytest.raises(TypeError):
        answer.top[0] = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.stage_ms.model = 0.0


def test_an_answer_can_be_sent_to_another_process(colours):
    answer = colours.predict(flat("red"))
    assert pickle.loads(pickle.dumps(answer)) == answer


@pytest.mark.parametrize(("colour", "answer"), [("red", "red"), ("blue", "unknown")])
def test_a_photo_of_none_of_the_classes_is_unknown(red_alone, colour, answer):
    found = red_alone.predict(flat(colour))
    assert (found.answer, found.label) == (answer, colour)
    assert found.is_known is (answer != "unknown")
    assert found.to_dict()["answer"] == answer


def test_of_several_answers_the_mean_ood_score_decides(red_alone):
    strange = red_alone.answer(load_pixels(flat("blue")))
    known = red_alone.answer(load_pixels(flat("red")))
    assert red_alone.combine([known]).is_known
    mean_score = (known.ood_score + strange.ood_score) / 2
    assert red_alone.combine([known, strange]).ood_score == pytest.approx(mean_score)
    assert not red_alone.combine([known, strange, strange]).is_known


def test_without_a_threshold_nothing_is_called_unknown(colours):
    found = colours.predict(flat("blue"))
    assert (found.is_known, found.answer) == (None, "blue")


def test_an_answer_becomes_plain_values(colours):
    values = colours.predict(flat("red"), top=2).to_dict()
    keys = ["answer", "label", "probability", "top", "is_known", "stage_ms", "ood_score"]
    assert list(values) == keys
    assert [set(guess) for guess in values["top"]] == [{"label", "probability"}] * 2
    assert set(values["stage_ms"]) == {"pixels", "model", "scores"}
    assert all(duration_ms >= 0 for duration_ms in values["stage_ms"].values())
    assert type(values["probability"]) is float


def test_of_equal_answers_the_first_counts_as_it_does_where_they_are_scored(colours):
    answer = Answer(np.array([0.0, 1.0, 1.0], np.float32), ood_score=None)
    assert colours.combine([answer]).label == colours.labels[int(answer.logits.argmax())]


def test_the_engine_gets_one_uint8_photo(colours):
    colours.predict(flat("red"))
    (batch,) = colours.engine.batches
    assert (batch.dtype, batch.shape) == (np.uint8, (1, 224, 224, 3))


def test_a_broken_photo_never_reaches_the_engine(colours):
    with pytest.raises(ImageError):
        colours.predict(b"no photo")
    assert colours.engine.batches == []


def test_leaving_the_block_closes_the_engine_also_after_an_error(make_bundle):
    engine = FakeEngine()
    with pytest.raises(KeyError), Classifier(load_bundle(make_bundle()), engine, CHOICE):
        raise KeyError
    assert engine.closed == 1


def test_a_real_model_is_opened_from_a_bundle(make_bundle, colour_model):
    folder = make_bundle(files={"model.onnx": colour_model})
    with edgecat.Classifier.open(folder) as classifier:
        assert classifier.variant == "onnxruntime-fp32"
        assert classifier.labels == ("red", "green", "blue")
        assert classifier.predict(flat("blue")).label == "blue"
        logits = classifier.compute_logits(np.full((3, 224, 224, 3), 7, np.uint8))
        assert (logits.dtype, logits.shape) == (np.float32, (3, 3))
        # A mean of 50,176 sevens in float32.
        assert logits == pytest.approx(np.full((3, 3), 7), abs=1e-3)


def test_only_what_is_used_of_a_bundle_is_read_and_that_is_proven(make_bundle, colour_model):
    files = {"model.onnx": colour_model, "other.onnx": b"no model"}
    variants = (
        Variant("onnxruntime-fp32", ("model.onnx",)),
        Variant("onnxruntime-int8", ("other.onnx",)),
    )
    folder = make_bundle(files=files, variants=variants)
    (folder / "other.onnx").write_bytes(b"evil one")
    with Classifier.open(folder, "onnxruntime-fp32") as classifier:
        assert classifier.predict(flat("blue")).label == "blue"
    with pytest.raises(BundleError, match=r"other\.onnx: its SHA-256"):
        Classifier.open(folder, "onnxruntime-int8")


def test_closing_twice_is_harmless(make_bundle, colour_model):
    with Classifier.open(make_bundle(files={"model.onnx": colour_model})) as classifier:
        classifier.close()


def test_an_unknown_variant_names_those_there(make_bundle, colour_model):
    folder = make_bundle(files={"model.onnx": colour_model})
    with pytest.raises(BundleError, match=r"'openvino-int8'; it has onnxruntime-fp32"):
        Classifier.open(folder, "openvino-int8")


def verdict(ratio, *targets):
    reasons = {target: "not" for target in TARGETS.names if target not in targets}
    return Verdict(targets, reasons, detect_target(), ratio)


@pytest.fixture
def judged(make_bundle, colour_model):
    """A bundle of several variants; the fastest that ships is no OpenVINO model at all."""

    def make(**verdicts):
        files = {"model.onnx": colour_model, "x.xml": b"no model", "x.bin": b""}
        variants = tuple(
            Variant(
                name.replace("_", "-"),
                ("model.onnx",) if name.startswith("onnx") else ("x.xml", "x.bin"),
                verdict=value,
            )
            for name, value in verdicts.items()
        )
        return make_bundle(files=files, variants=variants)

    return make


def test_the_fastest_variant_that_ships_here_is_opened(judged):
    here = detect_target()
    folder = judged(onnxruntime_fp32=verdict(1.0, here), onnxruntime_int8=verdict(0.8, here))
    with Classifier.open(folder) as classifier:
        assert classifier.variant == "onnxruntime-int8"
    with Classifier.open(folder, "onnxruntime-fp32") as classifier:
        assert classifier.variant == "onnxruntime-fp32"


def test_a_variant_that_does_not_ship_is_opened_on_request_only(judged):
    folder = judged(onnxruntime_fp32=verdict(1.0, *TARGETS.names), onnxruntime_int8=verdict(0.8))
    with Classifier.open(folder) as classifier:
        assert classifier.variant == "onnxruntime-fp32"
    with Classifier.open(folder, "onnxruntime-int8") as classifier:
        assert classifier.variant == "onnxruntime-int8"


def test_an_engine_that_is_missing_or_refuses_leaves_the_place_to_the_next(judged):
    here = detect_target()
    folder = judged(openvino_int8=verdict(0.5, here), onnxruntime_int8=verdict(0.8, here))
    with Classifier.open(folder) as classifier:
        assert classifier.variant == "onnxruntime-int8"
    with pytest.raises(EngineError, match="openvino-int8"):
        Classifier.open(folder, "openvino-int8")


def test_where_nothing_ships_the_choice_is_left_to_the_user(judged):
    with pytest.raises(EngineError, match="--variant: onnxruntime-int8"):
        Classifier.open(judged(onnxruntime_int8=verdict(0.8)))


def test_the_released_model_answers_with_probabilities_that_sum_to_1(cats):
    answer = cats.predict(np.full((300, 400, 3), 128, np.uint8), top=100)
    assert len(answer.top) == len(cats.labels) == 12
    assert sum(guess.probability for guess in answer.top) == pytest.approx(1, abs=SUM_GAP)
    chances = [guess.probability for guess in answer.top]
    assert chances == sorted(chances, reverse=True)


def test_the_released_model_answers_one_photo_and_a_batch_alike(cats):
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    alone = np.concatenate([cats.compute_logits(photo[None]) for photo in batch])
    # Kernels for a batch add up in another order; float32 holds logits of 10 to 1e-6.
    assert cats.compute_logits(batch) == pytest.approx(alone, abs=1e-3)


def test_the_released_model_knows_real_cats(cats, shared):
    """One photo of each breed: a model that answers at random has 1 of 12."""
    num_right = 0
    for folder in sorted((shared / "cats").iterdir()):
        photo = sorted(folder.iterdir())[0]
        num_right += cats.predict(photo).label == folder.name.replace("_", " ")
    assert num_right >= 8


def test_every_variant_of_the_released_model_that_runs_here_answers_like_the_first(cats, shared):
    from edgecat.errors import EngineError

    photo = sorted((shared / "cats" / "Sphynx").iterdir())[0]
    wanted = cats.predict(photo).label
    answers = {}
    for variant in cats.bundle.spec.variants:
        try:
            with Classifier.open("cats12", variant.name, threads=1) as other:
                answers[variant.name] = other.predict(photo).label
        except EngineError:
            continue  # no OpenVINO, or no bf16
    assert set(answers.values()) == {wanted}
