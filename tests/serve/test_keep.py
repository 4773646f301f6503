"""What a server keeps of the photos that it answers, and what it tells of that."""

import pytest

from edgecat.keep.keeper import open_keeper
from edgecat.keep.kept import list_kept, load_answer
from edgecat.keep.place import KeepPlace
from edgecat.progress import Silent
from tests.serve.conftest import draw, running

# The tiny model is sure of what is mostly red; of grey it can say nothing.
SURE, UNSURE = "red", "grey"


@pytest.fixture
def place(tmp_path):
    return KeepPlace(tmp_path / "kept", 2**20)


@pytest.fixture
def keeping(colours, place):
    with open_keeper(place, Silent()) as keeper, running(colours, keeper=keeper) as server:
        yield server


def test_a_photo_worth_a_look_is_kept_and_others_are_not(keeping, place):
    for colour in (SURE, UNSURE, UNSURE):
        assert keeping.predict(draw(colour))[0] == 200
    (photo,) = list_kept(place.folder)
    assert photo.path.read_bytes() == draw(UNSURE)
    answer = load_answer(photo)
    assert (answer.why, answer.bundle, answer.name) == ("unsure", "colours", None)


def test_the_page_says_what_is_kept(keeping, served):
    assert b"not kept" not in keeping.ask("GET", "/")[2]
    assert b"keep those that the model does not know" in keeping.ask("GET", "/")[2]
    assert b"Photos are answered by this server and not kept." in served.ask("GET", "/")[2]


def test_a_disk_that_fails_stops_no_answer(colours, place):
    place.folder.write_text("a file stands in the way")
    with open_keeper(place, Silent()) as keeper, running(colours, keeper=keeper) as server:
        for _ in range(3):
            assert server.predict(draw(UNSURE))[0] == 200
