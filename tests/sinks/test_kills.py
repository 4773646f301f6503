"""`edgecat watch --mqtt` and the broker are killed, again and again: each photo is told once."""

import pytest

from benchmarks.reliability.mqtt_kills import Plan, carry_out

pytestmark = pytest.mark.slow  # starts processes and kills them


def test_each_photo_is_told_once_whoever_is_killed(make_bundle, colour_model, tmp_path):
    bundle = make_bundle(files={"model.onnx": colour_model})
    plan = Plan(str(bundle), num_photos=80, num_kills=8, seed=1)
    outcome = carry_out(plan, tmp_path)
    assert (outcome["num_lost"], outcome["num_twice"]) == (0, 0), outcome
    assert min(outcome["killed"].values()) >= 2
    assert outcome["num_told_between_kills"] > 0
