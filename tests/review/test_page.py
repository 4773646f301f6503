"""The page in a real browser: by keys alone, on a phone and a desk, in light and dark."""

import os

import pytest

from edgecat.keep.kept import PHOTOS
from edgecat.serve.page import load_page
from edgecat.serve.server import Address
from tests.browser import SIZES, open_window
from tests.review.conftest import EVIL_LABELS, holds, keep_photos, reviewing

pytestmark = pytest.mark.slow  # starts a browser

TIMEOUT_S = 30
NUM = 9
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def windows():
    """Windows by size, each opened once."""
    opened = {kind: open_window(kind) for kind in SIZES}
    yield opened
    for window in opened.values():
        window.quit()


class Page:
    """A window and what a person does in it."""

    def __init__(self, window):
        self.window = window

    def open(self, served):
        self.window.get(f"http://127.0.0.1:{served.port}/")
        self.window.get_log("browser")

    def wait_until(self, script):
        from selenium.webdriver.support.wait import WebDriverWait

        done = lambda _: self.run(script)  # noqa: E731
        WebDriverWait(self.window, TIMEOUT_S, 0.05).until(done, script)

    def wait_for_photo(self):
        """Wait until a photo is shown, and return its SHA-256."""
        self.wait_until("seen !== null && seen === desk.next[0].sha256")
        return self.run("seen")

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.window).send_keys(*keys).perform()

    def press_and_wait(self, key):
        """Press a key, and wait for the next photo or the end."""
        before = self.run("desk.num_decided")
        self.press(key)
        self.wait_until(f"desk.num_decided !== {before} && !isBusy")

    def run(self, script):
        return self.window.execute_script(f"return {script}")

    def text_of(self, name):
        return self.window.find_element("id", name).get_property("textContent")

    def find(self, name):
        return self.window.find_element("id", name)

    def complaints(self):
        """What the browser found wrong: scripts, the policy, missing files."""
        return self.window.get_log("browser")

    def grave_faults(self):
        """What axe-core finds that keeps people out."""
        if os.environ.get("CI"):
            from axe_core_python.selenium import Axe
        else:
            Axe = pytest.importorskip("axe_core_python.selenium", reason="needs edgecat[dev]").Axe
        found = Axe().run(self.window)["violations"]
        return [
            (one["impact"], one["id"], one["nodes"][0]["html"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


@pytest.fixture(params=SIZES)
def page(windows, request):
    return Page(windows[request.param])


@pytest.fixture
def hashes(folder):
    return keep_photos(folder, NUM)


@pytest.fixture
def review(folder, hashes):
    with reviewing(folder) as server:
        yield server


def test_a_whole_review_by_keys(page, review, folder):
    page.open(review)
    decided = {}
    for number, (key, kind) in enumerate([("1", "Bengal"), ("2", "Persian"), ("s", "skip"),
                                          ("x", "remove")] * 2 + [("3", "Siamese")]):  # fmt: skip
        assert page.text_of("far") in (f"{number} of {NUM}", "")
        decided[page.wait_for_photo()] = kind
        page.press_and_wait(key)
        assert holds(folder) == decided
    assert page.find("end").is_displayed()
    assert not page.find("desk").is_displayed()
    assert "5 with a label, 2 skipped, 2 left out" in page.text_of("sum")
    assert f"--add {folder}" in page.text_of("next")
    assert page.complaints() == []


def test_undo_goes_back_and_shows_the_photo_again(page, review, folder):
    page.open(review)
    first = page.wait_for_photo()
    page.press_and_wait("1")
    second = page.wait_for_photo()
    page.press_and_wait("2")
    for sha256 in (second, first):
        page.press_and_wait("u")
        assert page.wait_for_photo() == sha256
    assert holds(folder) == {}
    assert page.text_of("far") == f"0 of {NUM}"


def test_a_new_class_is_typed_and_has_a_key_from_then_on(page, review, folder):
    from selenium.webdriver import Keys

    page.open(review)
    first = page.wait_for_photo()
    page.press("n")
    page.press("1 <b>고양이", Keys.ENTER)
    page.wait_until("$('status').className === 'alarm'")
    assert "cannot stand in a folder's name" in page.text_of("status")
    page.run("$('new').value = ''")
    page.press("고양이 #1+", Keys.ENTER)
    page.wait_until("desk.num_decided === 1 && !isBusy")
    second = page.wait_for_photo()
    page.press_and_wait("4")
    assert holds(folder) == {first: "고양이 #1+", second: "고양이 #1+"}
    assert page.run("document.activeElement === document.body")
    assert page.complaints()[1:] == []  # the refusal, which the browser logs


def test_keys_count_only_while_the_photo_is_seen(page, review, folder):
    page.open(review)
    page.wait_for_photo()
    for kind in ("label", "skip", "remove"):
        assert page.run(f"(seen = null, mayDecide('{kind}'))") is False
    page.run("(seen = null, decide('label', 'Bengal'))")
    page.run("(isBusy = true, decide('skip'), isBusy = false)")
    page.press("9", "z")  # keys of no label
    assert holds(folder) == {}


def test_labels_and_names_are_text_and_nothing_else(page, folder):
    keep_photos(folder, 6, labels=EVIL_LABELS)
    with reviewing(folder, labels=EVIL_LABELS) as server:
        page.open(server)
        page.wait_for_photo()
        buttons = page.window.find_elements("css selector", "#labels span")
        assert [button.get_property("textContent") for button in buttons] == [*EVIL_LABELS]
        for number in range(6):
            page.wait_for_photo()
            page.press_and_wait(str(number + 1))
        assert sorted(holds(folder).values()) == sorted(EVIL_LABELS)
    assert page.run("window.intruder === undefined")
    assert page.complaints() == []


def test_a_photo_that_is_gone_is_passed_over(page, review, folder):
    page.open(review)
    page.wait_for_photo()
    coming = page.run("desk.next.map((card) => card.sha256)")
    gone, left = coming[1], coming[2]
    page.run("pictures.clear()")
    (folder / PHOTOS / f"{gone}.png").unlink()
    page.press_and_wait("1")
    page.wait_until(f"seen === '{left}'")
    assert page.text_of("far") == f"1 of {NUM - 1}"


def test_a_photo_that_cannot_be_shown_can_be_left_out_and_gets_no_label(page, folder, hashes):
    for path in (folder / PHOTOS).glob("*.png"):
        path.write_bytes(b"changed")
    with reviewing(folder) as server:
        page.open(server)
        page.wait_until("unseen === desk.next[0].sha256")
        assert "not what was kept" in page.text_of("status")
        assert page.run("mayDecide('label')") is False
        page.press_and_wait("x")
    assert [*holds(folder).values()] == ["remove"]


def test_a_decision_of_another_page_is_told_and_the_next_photo_comes(page, review, folder):
    page.open(review)
    sha256 = page.wait_for_photo()
    other = f'{{"sha256": "{sha256}", "kind": "label", "label": "Bengal"}}'
    assert review.post(other)[0] == 200
    page.press("2")
    page.wait_until("$('status').className === 'alarm' && !isBusy")
    assert "another page has decided on this photo: Bengal" in page.text_of("status")
    assert page.wait_for_photo() != sha256
    assert holds(folder) == {sha256: "Bengal"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(page, review, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.open(review)
    page.wait_for_photo()
    assert page.grave_faults() == []
    assert page.run("document.documentElement.scrollWidth - window.innerWidth") <= 0
    for button in page.window.find_elements("css selector", "#desk button"):
        assert button.size["height"] >= 44  # Source: WCAG 2.2, 2.5.5 target size, in CSS px
    assert page.find("status").aria_role == "status"
    assert page.find("photo").accessible_name.startswith("Photo, answered: ")
    for _ in range(NUM):
        page.wait_for_photo()
        page.press_and_wait("s")
    assert page.grave_faults() == []
    assert page.complaints() == []


def test_tab_reaches_every_button_and_its_focus_is_seen(page, review):
    from selenium.webdriver import Keys

    page.open(review)
    page.wait_for_photo()
    wanted = page.run("document.querySelectorAll('#desk button, #desk input').length")
    reached = []
    for _ in range(wanted):
        page.press(Keys.TAB)
        reached.append(page.run("document.activeElement.outerHTML"))
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert len(set(reached)) == wanted


def test_the_page_asks_for_the_token_and_goes_on(page, folder, hashes, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with reviewing(folder, address=Address(port=0, token_file=token)) as server:
        page.open(server)
        for word in ("not the right token", TOKEN):
            page.wait_until("!$('token').hidden && document.activeElement === $('word')")
            assert not page.find("desk").is_displayed()
            page.press(word + "\n")
            page.wait_until("$('word').value === ''")
        page.wait_for_photo()
        page.press_and_wait("1")
        assert len(holds(folder)) == 1


def test_the_policy_lets_nothing_else_run():
    text, headers = load_page("edgecat.review", {})
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"{{" not in text
    handlers = [word for word in text.decode().split() if word.startswith("on") and "=" in word]
    assert handlers == []
