"""Which frames of a camera are kept: what is worth a look, a scene once, and not too many."""

import datetime
import io

import numpy as np
import pytest
from PIL import Image

from edgecat.keep.keeper import Keeper, Source
from edgecat.keep.kept import list_kept, load_answer
from edgecat.keep.place import KeepPlace
from edgecat.progress import Silent
from edgecat.runtime.prediction import Guess, Prediction
from edgecat.stream.mailbox import Frame
from edgecat.stream.scenes import GAP_S, NUM_REMEMBERED, Scenes

UNSURE = Prediction("Siamese", 0.4, (Guess("Siamese", 0.4), Guess("Persian", 0.3)))

# A cheap sensor's, in grey levels: more than any that a picture is still seen in.
NOISE_LEVELS = 8

# A camera's, a second.
NUM_FRAMES = 10


class Camera:
    """A fixed camera with a keeper behind it; time goes on only when a test says so."""

    def __init__(self, folder, gap_s=GAP_S):
        self.folder, self.now_s, self.number = folder, 100.0, 0
        self.rng = np.random.default_rng(0)
        self.scenes = Scenes(Keeper(KeepPlace(folder, 2**30), Silent()), gap_s)

    def show(self, scene, *, after_s=GAP_S, prediction=UNSURE):
        """Take a picture with this sensor's noise; return how many are kept by now."""
        self.now_s += after_s
        self.number += 1
        noisy = scene + self.rng.normal(0, NOISE_LEVELS, scene.shape)
        pixels = np.clip(noisy, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG")
        now = datetime.datetime.now(datetime.UTC)
        frame = Frame(self.number, now, self.now_s, file.getvalue())
        self.scenes.look_at(frame, pixels, prediction, Source("cats", "v"))
        return len(list_kept(self.folder))


@pytest.fixture
def camera(tmp_path):
    return Camera(tmp_path / "kept")


def draw_scene(seed, brightness=1.0):
    """Return a room, uint8 `[224, 224, 3]`, that no other seed makes."""
    blotches = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    room = Image.fromarray(blotches).resize((224, 224), Image.Resampling.BICUBIC)
    return (brightness * np.asarray(room)).astype(np.uint8)


def put_cat(scene, at=60):
    """Return a scene with a black cat in 5 % of it."""
    scene = scene.copy()
    scene[at : at + 50, at : at + 50] = 10
    return scene


@pytest.mark.parametrize("brightness", [1.0, 0.15])
def test_a_cat_that_sleeps_for_an_hour_is_kept_once(camera, brightness):
    scene = put_cat(draw_scene(1, brightness))
    assert [camera.show(scene) for _ in range(50)] == [1] * 50


def test_a_cat_that_comes_into_the_scene_and_one_that_moved_are_kept(camera):
    empty = draw_scene(1)
    kept = [camera.show(scene) for scene in (empty, put_cat(empty), put_cat(empty, at=120))]
    assert kept == [1, 2, 3]


def test_scenes_that_come_back_by_turns_are_kept_once_each(camera):
    empty = draw_scene(1)
    for _ in range(20):
        camera.show(empty)
        camera.show(put_cat(empty))
    assert len(list_kept(camera.folder)) == 2


def test_a_scene_of_long_ago_is_new_again(camera):
    first = draw_scene(0)
    for seed in range(NUM_REMEMBERED + 1):
        camera.show(draw_scene(seed))
    assert camera.show(first) == NUM_REMEMBERED + 2


def test_frames_in_quick_succession_are_not_kept(camera):
    for seed in range(NUM_FRAMES):
        camera.show(draw_scene(seed), after_s=1 / NUM_FRAMES)
    assert len(list_kept(camera.folder)) == 1
    assert camera.show(draw_scene(99), after_s=GAP_S) == 2


def test_of_a_recording_each_scene_is_kept_however_fast_it_is_read(tmp_path):
    camera = Camera(tmp_path / "kept", gap_s=0)
    for seed in range(NUM_FRAMES):
        camera.show(draw_scene(seed), after_s=0)
    assert len(list_kept(camera.folder)) == NUM_FRAMES


def test_a_frame_that_is_not_worth_a_look_takes_nobodys_place(camera):
    sure = Prediction("Siamese", 0.99, (Guess("Siamese", 0.99), Guess("Persian", 0.01)))
    scene = draw_scene(1)
    camera.show(scene, prediction=sure)
    assert camera.show(scene, after_s=0) == 1
    assert load_answer(list_kept(camera.folder)[0]).why == "unsure"


def test_a_disk_that_fails_forgets_no_scene(camera):
    camera.folder.rename(camera.folder.with_name("away"))
    camera.folder.write_text("a file stands in the way")
    scene = draw_scene(1)
    with pytest.raises(NotADirectoryError):  # of the test's own look into the folder
        camera.show(scene)
    camera.folder.unlink()
    assert camera.show(scene) == 1
