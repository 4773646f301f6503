"""What is at which address, and what becomes of good and of bad requests."""

import json
import tempfile
import threading

import pytest

from edgecat import Classifier
from edgecat.bundle.store import released_names
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
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
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
        (b"x", FORM, 400, "bad_form", ["one file"]),
        (form(), FORM, 400, "no_photo", ["one file"]),
        (form(("photo", "a.png", b"")), FORM, 400, "no_photo", ["one file"]),
        (form(("photo", None, draw("red"))), FORM, 400, "bad_form", ["Too many fields"]),
        (form(*[("a", "a.png", draw("red"))] * 2), FORM, 400, "bad_form", ["Too many files"]),
        (form(("photo", "a.png", b"no photo")), FORM, 422, "not_a_photo", ["JPEG, PNG"]),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_with_the_reason(served, body, kind, status, code, words):
    before = served.count(code)
    answer = served.predict(body, Content_Type=kind)
    assert answer[0] == status
    assert answer[2]["error"]["code"] == code
    assert all(word in answer[2]["error"]["message"] for word in words), answer
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
        "edgecat_queue_length 0.0",
        "edgecat_refused_total 0.0",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("process_resident_memory_bytes ")]


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
