"""What is at which address, and what becomes of good and of bad requests."""

import dataclasses
import json
import math
import tempfile
import threading
from importlib import metadata

import pytest

import edgecat
from edgecat import Classifier
from edgecat.bundle.store import load_bundle, released_names
from edgecat.errors import EngineError
from edgecat.serve.app import PhotoService, routes_of
from edgecat.serve.openapi import API
from tests.serve.conftest import draw, running, wait_until

FORM = "multipart/form-data; boundary=-x"


def form(*parts):
    """Return a form of (name, file name or None, bytes)."""
    body = b""
    for name, file, data in parts:
        file_name = f'; filename="{file}"' if file else ""
        head = f'---x\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"---x--\r\n"


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_bytes_of_a_photo_are_answered(served, colour, kind):
    # PIL's "green" is half as bright as its others, which changes nothing here.
    status, _, answer = served.predict(draw(colour, kind), Content_Type=f"image/{kind.lower()}")
    assert status == 200
    assert (answer["answer"], answer["label"], answer["is_known"]) == (colour, colour, None)
    assert (answer["bundle"], answer["variant"]) == ("bundle", "onnxruntime-fp32")
    assert {guess["label"] for guess in answer["top"]} == {"red", "green", "blue"}
    assert answer["stage_ms"].keys() == {"pixels", "model", "scores"}


@pytest.mark.parametrize("kind", [None, "application/octet-stream", "IMAGE/JPEG; q=1"])
def test_the_content_says_what_it_is_not_the_type(served, kind):
    headers = {"Content_Type": kind} if kind else {}
    assert served.predict(draw("blue"), **headers)[2]["answer"] == "blue"


def test_a_form_with_one_file_is_answered(served):
    status, _, answer = served.predict(form(("photo", "a.png", draw("red"))), Content_Type=FORM)
    assert (status, answer["answer"]) == (200, "red")


def test_a_large_form_needs_no_disk(served, monkeypatch):
    def write_to_disk(_):
        raise AssertionError("a device's disk may be read-only")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", write_to_disk)
    photo = draw("red", "BMP", size=(1000, 1000))  # 3 MB
    status, _, answer = served.predict(form(("photo", "a.bmp", photo)), Content_Type=FORM)
    assert (status, answer["answer"]) == (200, "red")


def test_a_body_in_chunks_of_unknown_size_is_answered(served):
    photo = draw("red")
    status, _, answer = served.predict(iter([photo[:9], photo[9:]]))
    assert (status, answer["answer"]) == (200, "red")


def test_a_photo_is_answered_as_the_library_does(shared):
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    photos = sorted((shared / "cats" / "Bengal").glob("*.jpg"))[:5]
    variant = "onnxruntime-fp32"
    with (
        running("cats12", variant=variant) as served,
        Classifier.open("cats12", variant, threads=1) as cats,
    ):
        for photo in photos:
            answer = served.predict(photo.read_bytes())[2]
            wanted = json.loads(json.dumps(cats.predict(photo).to_dict()))
            assert answer.pop("stage_ms").keys() == wanted.pop("stage_ms").keys()
            assert answer == wanted | {"bundle": "cats12", "variant": variant}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code", "words"),
    [
        (b"", "image/png", 400, "no_photo", ["curl -F photo=@cat.jpg"]),
        (b"no photo at all", "image/png", 422, "not_a_photo", ["JPEG, PNG"]),
        (draw("red")[:-30], "image/png", 422, "not_a_photo", ["cannot be read"]),
        (b"{}", "application/json", 415, "unsupported_type", ["application/json", "image/*"]),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_type", ["--data-binary"]),
        (b"x", "multipart/form-data", 400, "bad_form", ["boundary"]),
        (b"x", FORM, 400, "bad_form", ["boundary line", "one file"]),
        (b"x" * 2**17, FORM, 400, "bad_form", ["boundary line"]),
        (b"", FORM, 400, "bad_form", ["ends before"]),
        (form(("photo", "a.png", draw("red")))[:-9], FORM, 400, "bad_form", ["ends before"]),
        (b"---x\r\nno header\r\n\r\n", FORM, 400, "bad_form", ["boundary line"]),
        (b"---x\r\nX: " + b"x" * 9_000, FORM, 400, "bad_form", ["4096 bytes"]),
        (form(("photo", "a" * 9_000, b"")), FORM, 400, "bad_form", ["4096 bytes"]),
        (b"x", "multipart/form-data; boundary=" + "x" * 500, 400, "bad_form", ["too long"]),
        (b"%PDF-1.7", "image/png", 415, "unsupported_photo", ["PDF", "accepted are JPEG"]),
        (b"\xff\x0a", "image/jxl", 415, "unsupported_photo", ["JPEG XL", "convert"]),
        (form(), FORM, 400, "no_photo", ["one file"]),
        (form(("photo", "a.png", b"")), FORM, 400, "no_photo", ["one file"]),
        (form(("photo", None, draw("red"))), FORM, 400, "bad_form", ["'photo' is text", "@"]),
        (form(*[("a", "a.png", draw("red"))] * 2), FORM, 400, "bad_form", ["more than one file"]),
        (form(("photo", "a.png", b"no photo")), FORM, 422, "not_a_photo", ["JPEG, PNG"]),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_with_the_reason(served, body, kind, status, code, words):
    before = served.count(code)
    answer = served.predict(body, Content_Type=kind)
    assert answer[0] == status
    assert answer[2]["error"]["code"] == code
    assert all(word in answer[2]["error"]["message"] for word in words), answer
    assert not answer[2]["error"]["message"].startswith("the photo: ")  # whose else?
    assert served.count(code) == before + 1
    assert served.predict(draw("red"))[0] == 200


def test_a_compressed_body_is_refused(served):
    status, _, answer = served.predict(draw("red"), Content_Encoding="gzip")
    assert (status, answer["error"]["code"]) == (415, "unsupported_type")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/predict", 405, "wrong_method"),
        ("PUT", "/v1/predict", 405, "wrong_method"),
        ("POST", "/", 405, "wrong_method"),
        ("DELETE", "/healthz", 405, "wrong_method"),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/v1/predict/", 404, "not_found"),
        ("GET", "/../etc/passwd", 404, "not_found"),
    ],
)
def test_a_wrong_address_or_method_is_told_what_there_is(served, method, path, status, code):
    answer = served.ask(method, path)
    assert (answer[0], answer[2]["error"]["code"]) == (status, code)
    assert "POST /v1/predict" in answer[2]["error"]["message"]
    assert (answer[1]["allow"] is not None) == (status == 405)


def test_a_mistake_of_the_server_is_a_500_without_a_traceback(served, monkeypatch, caplog):
    # A classifier cannot be made to fail from outside, so that its failure is put in.
    monkeypatch.setattr(Classifier, "predict", lambda *_: 1 / 0)
    status, _, answer = served.predict(draw("red"))
    assert (status, answer["error"]["code"]) == (500, "internal")
    assert "division" not in json.dumps(answer)
    wait_until(lambda: "ZeroDivisionError" in caplog.text)
    monkeypatch.undo()
    assert served.predict(draw("red"))[0] == 200


def test_a_model_without_an_answer_is_told_to_the_operator_only(served, monkeypatch):
    def fail(*_):
        raise EngineError("the model /srv/secret is not well")

    # A sound model answers every photo, so that the failure is put in.
    monkeypatch.setattr(Classifier, "predict", fail)
    status, _, answer = served.predict(draw("red"))
    assert (status, answer["error"]["code"]) == (500, "no_answer")
    assert "secret" not in answer["error"]["message"]
    assert served.said[-1] == "a photo could not be answered: the model /srv/secret is not well"


@pytest.fixture
def black_hole_model():
    """A model that answers NaN to bright photos: the logarithm of 200 less the mean colour."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=kinds.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("Sub", ["limit", "means"], ["rest"]),
            helper.make_node("Log", ["rest"], ["logits"]),
        ],
        "black hole",
        [helper.make_tensor_value_info("pixels", kinds.UINT8, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, ["N", 3])],
        [helper.make_tensor("limit", kinds.FLOAT, [], [200.0])],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()


def test_an_answer_that_is_not_finite_is_not_given(make_bundle, black_hole_model):
    with running(make_bundle(files={"model.onnx": black_hole_model})) as served:
        assert served.predict(draw("black"))[0] == 200
        status, _, answer = served.predict(draw("white"))
        assert (status, answer["error"]["code"]) in {(500, "no_answer"), (500, "internal")}
        rows = served.ask("GET", "/metrics")[2].decode().splitlines()
        assert all(math.isfinite(float(row.split()[-1])) for row in rows if row[0] != "#")


def test_the_model_is_described(served, colours):
    status, _, model = served.ask("GET", "/v1/model")
    assert status == 200
    assert model["labels"] == ["red", "green", "blue"]
    assert (model["name"], model["variant"]) == ("bundle", "onnxruntime-fp32")
    assert model["versions"]["edgecat"] == edgecat.__version__
    assert model["versions"]["onnxruntime"] == metadata.version("onnxruntime")
    assert model["input"]["side_px"] == 224
    assert (model["score"], model["says_unknown"]) == (None, False)


def test_the_score_and_the_calibration_of_the_released_model_are_described():
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    with running("cats12") as served:
        model = served.ask("GET", "/v1/model")[2]
        variant = load_bundle("cats12").spec.variant(model["variant"])
    assert model["score"] == json.loads(json.dumps(dataclasses.asdict(variant.score)))
    assert model["says_unknown"] is True
    assert len(model["labels"]) == 12


def test_the_document_describes_every_address_and_no_other(served):
    status, _, document = served.ask("GET", "/openapi.json")
    assert (status, document) == (200, json.loads(json.dumps(API)))
    described = {(m.upper(), path) for path in API["paths"] for m in API["paths"][path]}
    routes = routes_of(PhotoService(*[None] * 6))  # nothing is asked of it
    offered = {(method, route.path) for route in routes for method in route.methods}
    assert described == {pair for pair in offered if pair[0] != "HEAD"}


def test_health_names_the_bundle(served):
    assert served.ask("GET", "/healthz")[2] == {
        "status": "ok",
        "bundle": "bundle",
        "variant": "onnxruntime-fp32",
        "refused_reload": False,
    }


def test_metrics_count_what_happens(colours):
    with running(colours) as served:
        served.predict(draw("red"))
        served.predict(b"no photo")
        status, headers, text = served.ask("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    lines = text.decode().splitlines()
    for line in (
        'edgecat_requests_total{outcome="answered"} 1.0',
        'edgecat_requests_total{outcome="not_a_photo"} 1.0',
        'edgecat_answer_seconds_bucket{le="+Inf"} 1.0',
        'edgecat_answers_total{answer="red"} 1.0',
        "edgecat_ood_score_count 0.0",  # this model has no detector
        "edgecat_queue_length 0.0",
        "edgecat_refused_total 0.0",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("process_resident_memory_bytes ")]


@pytest.mark.slow
def test_health_is_told_while_a_large_photo_is_decoded(served):
    large = draw("red", size=(5_000, 5_000))
    answers = []
    upload = threading.Thread(target=lambda: answers.append(served.predict(large)))
    upload.start()
    seen_during = 0
    while upload.is_alive():
        assert served.ask("GET", "/healthz")[0] == 200
        seen_during += not answers
    assert answers[0][0] == 200
    assert seen_during > 1
