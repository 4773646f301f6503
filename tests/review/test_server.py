"""The review over HTTP: what is next, what is noted, who is refused."""

import hashlib
import io
import json

import pytest
from PIL import Image

from edgecat.errors import ConfigError, DatasetError
from edgecat.keep.kept import DECISIONS, PHOTOS, list_kept
from edgecat.serve.server import Address
from tests.keep.conftest import draw
from tests.review.conftest import EVIL_LABELS, holds, keep_photos, reviewing

NUM = 12


@pytest.fixture
def hashes(folder):
    return keep_photos(folder, NUM)


@pytest.fixture
def review(folder, hashes):
    with reviewing(folder) as server:
        yield server


def decide(sha256, label):
    return json.dumps({"sha256": sha256, "kind": "label", "label": label})


def test_photos_come_in_groups_unknown_ones_first(review, hashes):
    seen, found = [], review.look()
    while found["next"]:
        card = found["next"][0]
        seen.append((card["why"], card["group"]))
        found = review.post(json.dumps({"sha256": card["sha256"], "kind": "skip"}))[2]
    assert [why for why, _ in seen] == ["unknown"] * 6 + ["unsure"] * 6
    assert seen == sorted(seen)
    assert seen[0] == ("unknown", "unknown, nearest Bengal")
    assert found["num_decided"] == found["num_photos"] == NUM


def test_a_page_is_told_of_a_few_photos_only(review):
    found = review.look()
    assert len(found["next"]) == 5
    assert found["next"][0]["num_in_group"] == 2
    assert (found["num_decided"], found["num_photos"]) == (0, NUM)
    assert found["labels"] == ["Bengal", "Persian", "Siamese"]


def test_a_decision_is_on_the_disk_before_the_answer(review, folder):
    for number in range(NUM):
        sha256 = review.look()["next"][0]["sha256"]
        status, _, found = review.post(decide(sha256, "Persian"))
        assert status == 200
        assert holds(folder)[sha256] == "Persian"
        assert found["num_decided"] == number + 1
        assert sha256 not in [card["sha256"] for card in found["next"]]


def test_undo_takes_back_decision_by_decision_and_shows_the_photo(review, folder):
    decided = []
    for label in ("Siamese", "Persian", "Bengal"):
        decided.append(review.look()["next"][0]["sha256"])
        review.post(decide(decided[-1], label))
    for sha256 in reversed(decided):
        status, _, found = review.post('{"kind": "undo"}')
        assert (status, found["next"][0]["sha256"]) == (200, sha256)
    assert holds(folder) == {}
    status, _, answer = review.post('{"kind": "undo"}')
    assert (status, answer["error"]["code"]) == (409, "conflict")


def test_two_pages_see_each_others_decisions(review, folder):
    first = review.look()["next"]  # of one page, and another one
    review.post(decide(first[0]["sha256"], "Siamese"))
    status, _, answer = review.post(decide(first[0]["sha256"], "Persian"))
    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert "Siamese" in answer["error"]["message"]
    assert holds(folder) == {first[0]["sha256"]: "Siamese"}
    assert review.look()["next"][0] == first[1] | {
        "num_in_group": review.look()["next"][0]["num_in_group"]
    }


def test_a_new_label_is_offered_behind_the_others_and_after_a_restart(folder, hashes):
    with reviewing(folder, labels=("Sphynx", "Siamese")) as server:
        found = server.post(decide(hashes[0], "neighbour's  cat"))[2]
        assert found["labels"] == ["Sphynx", "Siamese", "Bengal", "Persian", "neighbour's cat"]
    with reviewing(folder) as server:
        assert server.look()["labels"][-1] == "neighbour's cat"
        assert server.look()["num_decided"] == 1


@pytest.mark.parametrize("label", EVIL_LABELS)
def test_a_class_of_the_model_is_taken_whatever_it_is_called(folder, label):
    (sha256, _) = keep_photos(folder, 2, labels=EVIL_LABELS)
    with reviewing(folder, labels=EVIL_LABELS) as server:
        assert server.post(decide(sha256, label))[0] == 200
        assert label in server.look()["labels"]
    assert holds(folder) == {sha256: label}


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("a/b", "cannot stand in a folder's name"),
        ("<script>", "cannot stand in a folder's name"),
        ("siamese", "choose 'Siamese'"),
        ("Unknown", "is what a model answers"),
        (" ", "printable"),
        ("", "printable"),
        ("a\x07b", "printable"),
        ("..", "dot"),
        ("con", "device"),
        ("고" * 90, "longer than"),
    ],
)
def test_a_new_label_that_can_be_no_folder_everywhere_is_refused(
    review, folder, hashes, label, reason
):
    status, _, answer = review.post(decide(hashes[0], label))
    assert status == 422
    assert reason in answer["error"]["message"]
    assert holds(folder) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"kind": "burn"}',
        b'{"kind": "label"}',
        b'{"kind": "skip", "label": "x"}',
        b'{"kind": "skip", "kind": "label"}',
        b'{"kind": "skip", "sha256": 7}',
        b'\xff\xfe{"kind": "skip"}',
        b"[" * 4000,
    ],
)
def test_what_is_no_decision_is_refused(review, folder, body):
    status, _, answer = review.post(body)
    assert (status, answer["error"]["code"]) == (422, "bad_decision")
    assert holds(folder) == {}


def test_a_body_without_end_is_refused(review):
    assert review.post(b" " * 5000)[0] == 413


def test_a_photo_that_is_not_there_cannot_be_decided(review, folder):
    for sha256 in ("f" * 64, "../../etc/passwd", ""):
        status, _, answer = review.post(decide(sha256, "Persian"))
        assert (status, answer["error"]["code"]) == (409, "conflict")
    assert holds(folder) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": origin}
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[")
    ],
)
def test_a_page_of_another_site_decides_nothing(review, folder, hashes, headers):
    status, _, answer = review.post(decide(hashes[0], "Persian"), **headers)
    assert (status, answer["error"]["code"]) == (403, "wrong_origin")
    assert holds(folder) == {}


def test_what_a_form_of_another_site_can_send_is_no_decision(review, folder, hashes):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert review.post(decide(hashes[0], "Persian"), Content_Type=kind)[0] == 415
    assert holds(folder) == {}


def test_its_own_page_decides(review, folder, hashes):
    origin = f"http://127.0.0.1:{review.port}"
    assert review.post(decide(hashes[0], "Persian"), Origin=origin)[0] == 200


def test_a_name_that_was_led_to_loopback_is_refused(review):
    for path in ("/", "/v1/review", f"/v1/photos/{'a' * 64}"):
        status, _, answer = review.ask("GET", path, headers={"Host": "evil.example"})
        assert (status, answer["error"]["code"]) == (400, "wrong_host")


def test_other_machines_need_a_token(folder, hashes, tmp_path):
    with (
        pytest.raises(ConfigError, match="need a token"),
        reviewing(folder, address=Address("0.0.0.0", 0)),
    ):
        pass
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    with reviewing(folder, address=Address(port=0, token_file=token)) as server:
        for path in ("/v1/review", f"/v1/photos/{hashes[0]}"):
            assert server.ask("GET", path)[0] == 401
            authorization = {"Authorization": "Bearer 0123456789abcdef"}
            assert server.ask("GET", path, headers=authorization)[0] == 200
        assert server.post(decide(hashes[0], "Persian"))[0] == 401
        assert str(folder).encode() not in server.ask("GET", "/")[2]


def test_a_photo_is_sent_as_a_jpeg_made_here_that_no_cache_keeps(review, hashes):
    status, headers, data = review.ask("GET", f"/v1/photos/{hashes[0]}")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert Image.open(io.BytesIO(data)).size == (8, 8)
    assert data != draw(0)[0]


@pytest.mark.parametrize("sha256", ["f" * 64, "..%2F..%2Fetc%2Fpasswd", "decisions.jsonl"])
def test_only_kept_photos_are_sent(review, sha256):
    status, _, answer = review.ask("GET", f"/v1/photos/{sha256}")
    assert (status, answer["error"]["code"]) in ((404, "gone"), (404, "not_found"))


def test_photos_that_are_removed_meanwhile_leave_the_queue(review, folder, hashes):
    (folder / PHOTOS / f"{hashes[0]}.png").unlink()
    status, _, answer = review.ask("GET", f"/v1/photos/{hashes[0]}")
    assert (status, answer["error"]["code"]) == (404, "gone")
    assert review.post(decide(hashes[0], "Persian"))[0] == 409
    assert review.look()["num_photos"] == NUM - 1


def test_photos_that_are_kept_meanwhile_join_it(review, folder):
    keep_photos(folder, 3, first=NUM)
    assert review.look()["num_photos"] == NUM + 3


def test_a_photo_that_was_changed_is_not_shown(review, folder, hashes):
    path = folder / PHOTOS / f"{hashes[0]}.png"
    path.write_bytes(draw(200)[0])
    status, _, answer = review.ask("GET", f"/v1/photos/{hashes[0]}")
    assert (status, answer["error"]["code"]) == (422, "not_a_photo")
    assert "not what was kept" in answer["error"]["message"]


@pytest.mark.parametrize("text", [b"", b"no json", b'{"why": "x"}', b"\xff"])
def test_a_photo_whose_answer_does_not_read_is_shown_without(folder, hashes, text):
    (folder / PHOTOS / f"{hashes[0]}.json").write_bytes(text)
    with reviewing(folder) as server:
        assert server.look()["num_photos"] == NUM
        assert [line for line in server.said if hashes[0] in line] == server.said != []
        server.look()
        assert len(server.said) == 1


def test_an_answer_with_what_is_no_text_is_shown(folder, hashes):
    path = folder / PHOTOS / f"{hashes[0]}.json"
    path.write_bytes(path.read_bytes().replace(b"0.png", rb"\ud800.png"))
    with reviewing(folder) as server:
        assert server.look()["num_photos"] == NUM


def test_decisions_on_photos_that_are_gone_do_not_count(folder, hashes):
    with reviewing(folder) as server:
        server.post(decide(hashes[0], "Persian"))
    (folder / PHOTOS / f"{hashes[0]}.png").unlink()
    with reviewing(folder) as server:
        found = server.look()
        assert (found["num_decided"], found["num_photos"]) == (0, NUM - 1)
        assert server.post('{"kind": "undo"}')[0] == 409


def test_a_disk_that_fails_is_told_and_the_photo_stays(review, folder, hashes):
    review.post(decide(hashes[0], "Persian"))
    (folder / DECISIONS).rename(folder / "elsewhere")
    status, _, answer = review.post(decide(hashes[1], "Persian"))
    assert (status, answer["error"]["code"]) == (507, "not_written")
    assert review.look()["num_decided"] == 1


def test_what_is_no_folder_of_kept_photos_is_refused_and_left_as_it_is(tmp_path, folder):
    for place in (folder, tmp_path):
        with pytest.raises(ConfigError, match="--keep"), reviewing(place):
            pass
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_taken_away_is_told(review, folder):
    folder.rename(folder.with_name("elsewhere"))
    status, _, answer = review.ask("GET", "/v1/review")
    assert (status, answer["error"]["code"]) == (422, "refused")
    assert "cannot be read any more" in answer["error"]["message"]


def test_a_file_edited_by_hand_is_refused_by_its_line(folder, hashes):
    (folder / DECISIONS).write_text("Persian\n")
    with pytest.raises(DatasetError, match="line 1"), reviewing(folder):
        pass


def test_a_second_server_of_a_folder_is_refused(review, folder):
    with pytest.raises(ConfigError, match="another edgecat review"), reviewing(folder):
        pass


def test_kept_photos_are_named_by_their_content(folder, hashes):
    for photo in list_kept(folder):
        assert hashlib.sha256(photo.path.read_bytes()).hexdigest() == photo.sha256
