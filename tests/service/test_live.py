"""A bundle that is replaced while it answers."""

import dataclasses
import shutil
import threading

import numpy as np
import pytest

from edgecat.bundle.golden import GOLDEN_FILE, Golden
from edgecat.bundle.manifest import OodSpec, Variant
from edgecat.bundle.store import MANIFEST
from edgecat.errors import BundleError, EngineError, SelfTestError
from edgecat.photos.input import IMAGENET
from edgecat.runtime.engine import open_model
from edgecat.scores.ood import OOD_FILE, OodDetector
from edgecat.service.live import LiveClassifier

RED = np.full((300, 300, 3), (255, 0, 0), np.uint8)


@pytest.fixture
def bundles(make_bundle, colour_model):
    """Two bundles that answer the same picture with different words."""
    files = {"model.onnx": colour_model}
    first = make_bundle(labels=("red", "green", "blue"), files=files, name="first")
    second = make_bundle(labels=("rouge", "vert", "bleu"), files=files, name="second")
    return first, second


@pytest.fixture
def link(bundles, tmp_path):
    path = tmp_path / "current"
    path.symlink_to(bundles[0])
    return path


def lead(link, to):
    new = link.with_name("new")
    new.symlink_to(to)
    new.replace(link)


def test_a_link_that_is_led_elsewhere_is_followed(link, bundles):
    live = LiveClassifier(link)
    assert not live.reload_if_changed()
    lead(link, bundles[1])
    assert live.current.predict(RED).label == "red"
    assert live.reload_if_changed()
    assert live.current.predict(RED).label == "rouge"
    assert not live.reload_if_changed()


def test_a_folder_that_is_gone_is_not_the_released_model_of_its_name(
    bundles, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    bundles[0].rename("cats12")
    live = LiveClassifier("cats12")
    assert live.current.bundle.name == "cats12"
    shutil.rmtree("cats12")
    with pytest.raises(BundleError, match="no such bundle"):
        live.reload()
    assert live.current.predict(RED).label == "red"


def test_a_folder_that_is_replaced_is_noticed(bundles):
    live = LiveClassifier(bundles[0])
    shutil.rmtree(bundles[0])
    bundles[1].rename(bundles[0])
    assert live.reload_if_changed()
    assert live.current.predict(RED).label == "rouge"


def test_a_damaged_bundle_is_refused_once_and_the_old_one_answers_on(link, bundles):
    live = LiveClassifier(link)
    (bundles[1] / "model.onnx").write_bytes(b"damaged")
    lead(link, bundles[1])
    with pytest.raises(BundleError, match="model"):
        live.reload_if_changed()
    assert "model.onnx" in (live.refusal or "")
    assert not live.reload_if_changed()
    assert live.current.predict(RED).label == "red"
    lead(link, bundles[0])
    assert live.reload_if_changed()
    assert live.refusal is None


def test_a_bundle_is_refused_also_for_a_damaged_file_that_is_not_used(
    make_bundle, colour_model, bundles, link
):
    live = LiveClassifier(link)
    third = make_bundle(files={"model.onnx": colour_model, "unused": b"whole"}, name="third")
    (third / "unused").write_bytes(b"no so")
    lead(link, third)
    with pytest.raises(BundleError, match="unused: its SHA-256"):
        live.reload_if_changed()
    assert live.current.predict(RED).label == "red"


@pytest.mark.parametrize(("given", "told"), [("first", "first"), ("current", "/first")])
def test_a_damaged_bundle_is_called_as_it_was_given_and_a_link_by_what_it_leads_to(
    link, bundles, monkeypatch, given, told
):
    monkeypatch.chdir(link.parent)
    (bundles[0] / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError) as refused:
        LiveClassifier(given)
    name = str(refused.value).partition("/model.onnx: ")[0]
    assert name == told if given == told else name.endswith(told)


def fail_unless_black(onnx, colour_model):
    """Return a model that looks up the brightest value of a picture in a table of one place."""
    model, helper = onnx.load_from_string(colour_model), onnx.helper
    model.graph.node[-1].output[0] = "means"
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name)
        for name, array in (("table", np.zeros(1, np.float32)), ("shape", np.array([-1, 1])))
    )
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["floats"], ["brightest"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Cast", ["brightest"], ["place"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["found"]),
            helper.make_node("Reshape", ["found", "shape"], ["column"]),
            helper.make_node("Add", ["means", "column"], ["logits"]),
        ]
    )
    return model.SerializeToString()


@pytest.mark.parametrize("is_failing", [False, True], ids=["other answers", "none at all"])
def test_a_bundle_that_fails_its_self_test_is_refused_and_the_old_one_answers_on(
    link, make_bundle, colour_model, is_failing
):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    pytest.importorskip("torch", reason="needs edgecat[train], as the export does")
    from edgecat.export.golden import build_golden

    engine = open_model(Variant("onnxruntime-fp32", ("model.onnx",)), [colour_model], 1)
    (first, *others) = build_golden([engine], IMAGENET).photos
    if not is_failing:
        first = dataclasses.replace(first, logits={engine.name: (9.0, 9.0, 9.0)})
    golden = Golden((first, *others)).to_json().encode()
    model = fail_unless_black(onnx, colour_model) if is_failing else colour_model
    third = make_bundle(files={"model.onnx": model, GOLDEN_FILE: golden}, name="third")
    live = LiveClassifier(link)
    lead(link, third)
    with pytest.raises(EngineError if is_failing else SelfTestError, match="onnxruntime-fp32"):
        live.reload_if_changed()
    assert live.refusal
    assert live.current.predict(RED).label == "red"


def test_a_bundle_whose_detector_is_another_models_is_refused(link, make_bundle, patch_model):
    detector = OodDetector(np.zeros(7, np.float16), np.eye(2, 7, dtype=np.float16), 1.0)
    files = {"model.onnx": patch_model, OOD_FILE: detector.to_bytes()}
    third = make_bundle(files=files, ood=OodSpec(OOD_FILE, 1.0), name="third")
    live = LiveClassifier(link)
    lead(link, third)
    with pytest.raises(BundleError, match=r"made for 7 features, the model has 3"):
        live.reload_if_changed()
    assert live.current.predict(RED).label == "red"


def test_a_bundle_for_which_no_memory_is_left_is_refused_and_the_old_one_answers_on(
    link, bundles, monkeypatch
):
    live = LiveClassifier(link)
    lead(link, bundles[1])

    def open_it(*args, **options):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("edgecat.service.live.Classifier.open", open_it)
        with pytest.raises(BundleError, match="takes more memory than is left"):
            live.reload_if_changed()
    assert live.current.predict(RED).label == "red"


def test_a_bundle_that_is_being_copied_is_refused_until_all_of_it_is_there(link, bundles, tmp_path):
    live = LiveClassifier(link)
    copy = tmp_path / "copy"
    copy.mkdir()
    lead(link, copy)
    for file in sorted(bundles[1].iterdir()):  # as cp does: the manifest first
        with pytest.raises(BundleError):
            live.reload_if_changed()
        shutil.copy(file, copy)
    assert live.reload_if_changed()
    assert live.current.predict(RED).label == "rouge"


@pytest.mark.parametrize("target", ["current", "x" * 300], ids=["itself", "no name"])
def test_a_link_that_leads_nowhere_is_refused_and_the_old_bundle_answers_on(link, target):
    live = LiveClassifier(link)
    lead(link, target)
    with pytest.raises(BundleError, match="current"):
        live.reload_if_changed()
    assert live.refusal
    assert live.current.predict(RED).label == "red"


def test_a_bundle_that_goes_missing_is_refused_and_the_old_one_answers_on(bundles):
    live = LiveClassifier(bundles[0])
    (bundles[0] / MANIFEST).unlink()
    with pytest.raises(BundleError, match=MANIFEST):
        live.reload_if_changed()
    assert live.current.predict(RED).label == "red"


def test_threads_that_ask_during_changes_get_an_answer_of_one_bundle_or_the_other(link, bundles):
    live = LiveClassifier(link)
    answers, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answers.append(live.current.predict(RED).label)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20):
        lead(link, bundles[1 - number % 2])
        live.reload_if_changed()
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {"red", "rouge"}
