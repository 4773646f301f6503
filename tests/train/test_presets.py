import pytest

from edgecat.train.presets import FAST, PRESETS, TEACHER
from edgecat.train.recipe import Recipe, describe_recipe, load_recipe


def test_the_quickest_preset_is_the_default_recipe_without_a_teacher():
    assert next(iter(PRESETS)) == FAST
    assert load_recipe(preset=FAST) == load_recipe() == Recipe()
    assert PRESETS[FAST].teacher is None


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_a_sound_recipe_and_says_what_it_is_for(name):
    recipe, preset = load_recipe(preset=name), PRESETS[name]
    assert all(getattr(recipe, key) == value for key, value in preset.values.items())
    assert preset.about
    assert preset.teacher in (None, TEACHER)


def test_better_presets_have_more_epochs():
    epochs = [load_recipe(preset=name).epochs for name in PRESETS]
    assert epochs == sorted(set(epochs))


def test_a_file_wins_over_a_preset_and_the_command_line_over_both(tmp_path):
    file = tmp_path / "r.toml"
    file.write_text("epochs = 7\nrate = 0.5\n")
    recipe = load_recipe(file, ["rate=0.25"], preset="good")
    assert (recipe.epochs, recipe.rate) == (7, 0.25)
    assert recipe.ema_decay == PRESETS["good"].values["ema_decay"]
    said = describe_recipe(file, ["rate=0.25"], preset="good")
    assert f"epochs = 7 ({file})" in said
    assert "ema_decay = 0.99 (preset good)" in said
    assert "epochs = 30" not in said
