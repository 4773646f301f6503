"""The page in a real browser, at the size of a phone and of a desk."""

from importlib.resources import files

import pytest

from edgecat.serve.page import load_page
from tests.browser import SIZES, open_window
from tests.conftest import write_bundle
from tests.serve.conftest import draw, running
from tests.serve.test_door import TOKEN, guarded, token_file  # noqa: F401

pytestmark = pytest.mark.slow  # starts a browser

TIMEOUT_S = 30


@pytest.fixture(scope="module")
def chromium():
    """A function that gives a headless window of a size."""
    windows = {}

    def give_window(kind):
        if kind not in windows:
            windows[kind] = open_window(kind)
        return Page(windows[kind])

    yield give_window
    for window in windows.values():
        window.quit()


class Page:
    """A window and what a person does in it."""

    def __init__(self, window):
        self.window = window

    def open(self, served):
        self.window.get(f"http://127.0.0.1:{served.port}/")
        self.wait_for("model", " on ")

    def find(self, name):
        return self.window.find_element("id", name)

    def wait_for(self, name, text):
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.window, TIMEOUT_S).until(
            lambda _: text in self.text_of(name), f"{text!r} is not in #{name}"
        )

    def text_of(self, name):
        """Return a text even if only a screen reader is told."""
        return self.find(name).get_property("textContent")

    def run(self, script, *arguments):
        return self.window.execute_script(f"return {script}", *arguments)

    def complaints(self):
        """What the browser found wrong: scripts, the policy, missing files."""
        return self.window.get_log("browser")


@pytest.fixture(params=SIZES)
def page(chromium, request):
    return chromium(request.param)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(draw((250, 120, 20)))
    return path


def test_a_photo_is_shown_with_its_bars_and_the_time(page, served, photo):
    page.open(served)
    assert page.find("model").text == "bundle on onnxruntime-fp32"
    page.find("pick").send_keys(str(photo))
    page.wait_for("status", "red, in ")
    assert page.find("answer").text == "red"
    rows = page.window.find_elements("css selector", "#guesses li")
    assert [row.text.split("\n")[0] for row in rows] == ["red", "green", "blue"]
    assert rows[0].text.endswith("100.0 %")
    assert "decoding" in page.find("time").text
    widths = [row.find_element("class name", "track").size["width"] for row in rows]
    page.run("Promise.all(document.getAnimations().map((a) => a.finished)).then(() => 1)")
    bars = [row.find_element("class name", "bar").size["width"] for row in rows]
    assert bars == [widths[0], 0, 0]
    assert page.find("photo").size["width"] > 0
    assert page.complaints() == []


def test_nothing_sticks_out_and_everything_can_be_tapped(page, served, photo):
    page.open(served)
    page.find("pick").send_keys(str(photo))
    page.wait_for("status", "red, in ")
    assert page.run("document.documentElement.scrollWidth - window.innerWidth") <= 0
    for label in page.window.find_elements("css selector", "label.button"):
        if label.is_displayed():
            assert label.size["height"] >= 44  # Source: WCAG 2.2, 2.5.5 target size, in CSS px


def test_a_phone_offers_its_camera_and_a_desk_does_not(chromium, served):
    for kind, is_offered in (("phone", True), ("desk", False)):
        page = chromium(kind)
        page.open(served)
        assert page.find("camera").is_displayed() == is_offered
        assert page.find("take").get_attribute("capture") == "environment"


def test_the_keyboard_reaches_the_choice_and_its_focus_is_seen(page, served):
    from selenium.webdriver import ActionChains, Keys

    page.open(served)
    reached = []
    for _ in range(3):
        ActionChains(page.window).send_keys(Keys.TAB).perform()
        reached.append(page.window.switch_to.active_element.get_attribute("id"))
        outline = page.run("getComputedStyle(document.activeElement.parentElement).outlineStyle")
        if reached[-1] == "pick":
            assert outline == "solid"
            return
    pytest.fail(f"Tab reaches {reached}")


def test_a_screen_reader_is_told(page, served, photo):
    page.open(served)
    page.find("pick").send_keys(str(photo))
    page.wait_for("status", "red, in ")
    assert page.find("status").aria_role == "status"
    assert page.find("result").accessible_name == "red"
    assert page.find("pick").accessible_name == "Choose photo"
    assert page.find("photo").accessible_name == "The photo you chose"
    assert page.run("document.documentElement.lang") == "en"


def test_why_is_shown_and_told(page, tmp_path_factory, patch_model, photo):
    files = {"model.onnx": patch_model}
    with running(write_bundle(tmp_path_factory.mktemp("why"), files=files)) as explaining:
        page.open(explaining)
        page.find("pick").send_keys(str(photo))
        page.wait_for("status", "red, in ")
        assert not page.find("reason").is_displayed()
        assert page.find("why").size["height"] >= 44
        page.find("why").click()
        page.wait_for("where", "speaks for red")
        page.run("document.getElementById('heat').decode().then(() => 1)")
        assert page.run("document.getElementById('heat').naturalWidth") == 224
        assert "seen at" in page.find("heat").accessible_name
        assert page.run("document.documentElement.scrollWidth - window.innerWidth") <= 0
        page.run(
            """show({answer: "red", is_known: true, label: "red", probability: 0.4, variant: "v",
                     top: [], stage_ms: {pixels: 1, model: 2, scores: 0}}, 12)"""
        )
        assert not page.find("reason").is_displayed()  # the next photo has no heat yet
    assert page.complaints() == []


def test_a_broken_photo_is_explained(page, served, tmp_path):
    (tmp_path / "notes.png").write_text("no photo")
    page.open(served)
    page.find("pick").send_keys(str(tmp_path / "notes.png"))
    page.wait_for("status", "not a photo; accepted are JPEG")
    assert not page.find("result").is_displayed()


def test_a_dropped_photo_is_answered(page, served):
    page.open(served)
    page.run(
        """(async () => {
            const canvas = new OffscreenCanvas(60, 60);
            const brush = canvas.getContext("2d");
            brush.fillStyle = "#0000ff";
            brush.fillRect(0, 0, 60, 60);
            const data = new DataTransfer();
            data.items.add(new File([await canvas.convertToBlob()], "a.png", {type: "image/png"}));
            document.body.dispatchEvent(
                new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        })()"""
    )
    page.wait_for("status", "blue, in ")


def test_an_unknown_thing_is_called_so(page, served):
    page.open(served)
    page.run(
        """show({answer: "unknown", is_known: false, label: "red", probability: 0.4, variant: "v",
                 top: [{label: "red", probability: 0.4}],
                 stage_ms: {pixels: 1, model: 2, scores: 0}}, 12)"""
    )
    assert page.find("answer").text == "unknown"
    assert "looks like nothing that the model knows" in page.find("note").text


def test_the_page_asks_for_the_token_and_goes_on(page, guarded, photo):  # noqa: F811
    page.open(guarded)
    page.find("pick").send_keys(str(photo))
    for word, told in (("not the right token", "not this server's token"), (TOKEN, "red, in ")):
        page.wait_for("token", "asks for its token")
        assert page.window.switch_to.active_element.get_attribute("id") == "word"
        page.find("word").send_keys(word + "\n")
        page.wait_for("status", told)
    page.open(guarded)
    page.find("pick").send_keys(str(photo))
    page.wait_for("status", "red, in ")  # remembered in this tab
    assert not page.find("token").is_displayed()
    assert TOKEN not in page.run("document.documentElement.outerHTML")


def test_the_policy_lets_nothing_else_run(page, served):
    page.open(served)
    page.run("document.head.append(Object.assign(document.createElement('script'), "
             "{textContent: 'window.intruder = 1'}))")  # fmt: skip
    assert page.run("window.intruder === undefined")


def test_a_server_that_is_gone_is_noticed(page, colours, photo):
    with running(colours) as served:
        page.open(served)
    page.find("pick").send_keys(str(photo))
    page.wait_for("status", "does not answer")


@pytest.mark.parametrize("package", ["edgecat.serve", "edgecat.review"])
def test_pages_begin_their_style_alike(package):
    page = load_page(package, {})[0].decode()
    look = (files("edgecat.serve") / "page.css").read_text(encoding="utf-8")
    assert f"<style>\n{look}" in page
    assert "{{style}}" not in page


def test_the_page_names_no_other_place():
    page, headers = load_page("edgecat.serve", {"privacy": "none"})
    addresses = [word for word in page.decode().split() if "://" in word]
    assert all("http://www.w3.org/2000/svg" in word for word in addresses)
    policy = headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
