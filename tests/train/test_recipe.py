import dataclasses
import math

import pytest

from edgecat.errors import ConfigError
from edgecat.train.recipe import Recipe, describe_recipe, load_recipe


def test_nothing_given_is_the_default_recipe():
    assert load_recipe() == Recipe()


def test_a_file_changes_the_keys_it_names_and_no_other(tmp_path):
    file = tmp_path / "fast.toml"
    file.write_text("epochs = 3\nrate = 1  # an int where a float is asked for\n")
    assert load_recipe(file) == dataclasses.replace(Recipe(), epochs=3, rate=1.0)
    assert isinstance(load_recipe(file).rate, float)


def test_a_setting_wins_over_the_file_and_a_later_one_over_an_earlier(tmp_path):
    file = tmp_path / "fast.toml"
    file.write_text("epochs = 3\nbatch_size = 8\n")
    recipe = load_recipe(file, ["epochs=4", " epochs = 5", "rate=2e-3"])
    assert (recipe.epochs, recipe.batch_size, recipe.rate) == (5, 8, 2e-3)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("epoch=3", ["'epoch'", "did you mean 'epochs'"]),
        ("batchsize=3", ["did you mean 'batch_size'"]),
        ("zzz=3", ["'zzz'", "known: epochs"]),
        ("epochs", ["--set epochs", "key=value"]),
        ("epochs=", ["--set epochs=", "is not a number"]),
        ("epochs=many", ["'many' is not a number; accepted are"]),
        ("epochs=3.5", ["epochs", "expected int", "3.5"]),
        ("epochs='3'", ["epochs", "expected int"]),
        ("epochs=true", ["epochs", "expected int"]),
        ("rate=true", ["rate", "expected float"]),
        ("rate=[1]", ["rate", "expected float"]),
        ("epochs=0", ["epochs", "at least 1", "got 0"]),
        ("batch_size=1", ["batch_size", "at least 2"]),
        ("head_epochs=-1", ["head_epochs", "at least 0"]),
        (f"epochs={10**400}", ["epochs", "at most 1000000000"]),
        ("crop_side_px=31", ["crop_side_px", "32 to 2048"]),
        ("crop_side_px=2049", ["crop_side_px", "32 to 2048"]),
        ("rate=0.0", ["rate", "(0, 1]"]),
        ("rate=nan", ["rate", "(0, 1]", "nan"]),
        ("backbone_rate=inf", ["backbone_rate", "(0, 1]"]),
        ("head_rate=-1e-3", ["head_rate", "(0, 1]"]),
        ("weight_decay=1.0", ["weight_decay", "[0, 1)"]),
        ("warmup_ratio=nan", ["warmup_ratio", "[0, 1)"]),
        ("ema_decay=1", ["ema_decay", "[0, 1)"]),
        ("balance_ratio=1.1", ["balance_ratio", "[0, 1]"]),
        ("val_ratio=0.7", ["val_ratio", "test_ratio", "too few photos to train"]),
    ],
)
def test_a_setting_that_no_run_can_use_is_refused_with_its_name(setting, words):
    with pytest.raises(ConfigError) as refused:
        load_recipe(settings=[setting])
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    "content",
    [None, b"epochs = ", b"\xff\xfe\x00", b"epochs: 3"],
    ids=["missing", "half a line", "not UTF-8", "YAML"],
)
def test_a_file_that_is_no_toml_is_refused_with_its_name(tmp_path, content):
    file = tmp_path / "my.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"my\.toml: cannot be read as TOML"):
        load_recipe(file)


def test_an_unknown_key_of_a_file_names_the_file_and_the_nearest_key(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("epochz = 3")
    with pytest.raises(ConfigError, match=r"my\.toml: unknown key 'epochz'; did you mean 'epochs'"):
        load_recipe(file)


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Recipe)])
@pytest.mark.parametrize("value", [math.nan, -1, 10**9])
def test_every_key_has_a_range(key, value):
    counts = ("epochs", "batch_size", "batch_parts", "head_epochs", "num_views")
    if key in counts and value == 10**9:
        assert getattr(Recipe(**{key: value}), key) == value  # long is allowed
        return
    if math.isnan(value) and isinstance(getattr(Recipe(), key), int):
        value = 0.5  # the strict reader's part: an int is asked for
    with pytest.raises(ConfigError, match=key):
        load_recipe(settings=[f"{key}={value}"])


def test_where_each_value_is_from_and_which_wins_is_told(tmp_path):
    file = tmp_path / "fast.toml"
    file.write_text("epochs = 3\nbatch_size = 8\n")
    assert describe_recipe(None, []) == "recipe: all by default"
    assert describe_recipe(file, ["epochs=2", "rate=0.1", "epochs=1"]) == (
        f"recipe: epochs = 1 (command line, wins over 3 of {file}), rate = 0.1 (command line), "
        f"batch_size = 8 ({file}), all else by default"
    )
    assert load_recipe(file, ["epochs=2", "epochs=1"]).epochs == 1
