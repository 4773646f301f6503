"""POST /v1/predict?heat=1."""

import base64
import io

import pytest
from PIL import Image

from tests.conftest import write_bundle
from tests.serve.conftest import draw, running


@pytest.fixture(scope="module")
def explaining(tmp_path_factory, patch_model):
    files = {"model.onnx": patch_model}
    with running(write_bundle(tmp_path_factory.mktemp("served"), files=files)) as server:
        yield server


def test_the_heat_comes_with_the_answer_where_it_is_asked_for(explaining):
    plain = explaining.predict(draw("red"))[2]
    status, _, answer = explaining.ask("POST", "/v1/predict?heat=1", draw("red"))
    assert status == 200
    heat = answer.pop("heat")
    assert {**answer, "stage_ms": 0} == {**plain, "stage_ms": 0}
    assert heat["label"] == "red"
    assert heat["text"].startswith("red is seen at")
    kind, _, data = heat["picture"].partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (224, 224)


@pytest.mark.parametrize("query", ["heat=2", "heat=", "hot=1", "heat=1&heat=1", "heat=1&x=<b>"])
def test_another_question_is_refused(explaining, query):
    status, _, answer = explaining.ask("POST", f"/v1/predict?{query}", draw("red"))
    assert (status, answer["error"]["code"]) == (400, "bad_query")
    assert "?heat=1" in answer["error"]["message"]


def test_a_broken_photo_is_refused_as_without_heat(explaining):
    status, _, answer = explaining.ask("POST", "/v1/predict?heat=1", b"no photo")
    assert (status, answer["error"]["code"]) == (422, "not_a_photo")


def test_a_model_that_cannot_tell_says_so(served):
    status, _, answer = served.ask("POST", "/v1/predict?heat=1", draw("red"))
    assert (status, answer["error"]["code"]) == (501, "no_heat")
    assert served.predict(draw("red"))[0] == 200
