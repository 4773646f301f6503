"""The page in a real browser: on a phone and a desk, in light and dark, for every reader."""

import json
import os

import pytest

from edgecat.progress import Silent
from edgecat.report.answers import Photos, answer_photos
from edgecat.report.sources import load_sources
from tests.browser import SIZES, open_window
from tests.report.conftest import (
    EVIL_LABELS,
    random_answers,
    render,
    write_rated_bundle,
    write_results,
    write_run,
)

pytestmark = pytest.mark.slow  # starts a browser

# Source: WCAG 2.2, 1.4.11: what is no text needs 3:1 against what is beside it.
MIN_CONTRAST = 3
# Source: axe-core, impacts: what keeps people from a content, or makes it very hard.
GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def windows():
    """Windows by size, each opened once."""
    opened = {kind: open_window(kind) for kind in SIZES}
    yield opened
    for window in opened.values():
        window.quit()


@pytest.fixture(params=[(kind, scheme) for kind in SIZES for scheme in ("light", "dark")], ids=str)
def window(windows, request):
    kind, scheme = request.param
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    windows[kind].execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    windows[kind].get_log("browser")
    return windows[kind]


@pytest.fixture
def page(tmp_path, colour_bundle, colour_photos):
    """A page with every section but that of other photos."""
    answers = answer_photos(load_sources([str(colour_bundle)]), Photos(colour_photos), Silent())
    run, results = write_run(tmp_path / "run"), write_results(tmp_path / "a.json", "bundle")
    path = tmp_path / "report.html"
    path.write_text(render([run, colour_bundle, results], answers), encoding="utf-8")
    return path


def run(window, script):
    return window.execute_script(f"return {script}")


def find_faults(window):
    """Return what axe-core finds, gravest first."""
    if os.environ.get("CI"):
        from axe_core_python.selenium import Axe
    else:
        Axe = pytest.importorskip("axe_core_python.selenium", reason="needs edgecat[dev]").Axe
    violations = Axe().run(window)["violations"]
    return [(each["impact"], each["id"], each["nodes"][0]["html"][:200]) for each in violations]


def test_everybody_can_read_it_and_the_browser_finds_nothing_wrong(window, page):
    window.get(page.as_uri())
    assert run(window, "document.querySelectorAll('main > section').length") == 13
    assert [fault for fault in find_faults(window) if fault[0] in GRAVE] == []
    assert window.get_log("browser") == []
    assert run(window, "document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_attacks_and_many_classes_stay_within_it(window, tmp_path):
    labels = tuple(f"{label} {'very long ' * 9} {i}" for i in range(9) for label in EVIL_LABELS)
    bundle = write_rated_bundle(tmp_path, {"other.onnx": b"-"}, labels, name="W" * 120)
    path = tmp_path / "report.html"
    path.write_text(render([bundle], random_answers(labels), shows_photos=False), "utf-8")
    window.get(path.as_uri())
    assert [fault for fault in find_faults(window) if fault[0] in GRAVE] == []
    assert window.get_log("browser") == []
    assert run(window, "document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert run(window, "document.scripts.length") == 0


def test_the_keyboard_reaches_everything_that_does_something(window, page):
    from selenium.webdriver import ActionChains, Keys

    window.get(page.as_uri())
    # All but the tables that are folded.
    wanted = run(window, "document.querySelectorAll('a, summary, :not(details) > .scroll').length")
    reached = []
    for _ in range(wanted):
        ActionChains(window).send_keys(Keys.TAB).perform()
        outline = run(window, "getComputedStyle(document.activeElement).outlineStyle")
        reached.append(run(window, "document.activeElement.outerHTML.slice(0, 200)"))
        assert outline == "solid", reached[-1]
    assert 'class="skip"' in reached[0]
    assert len(set(reached)) == wanted


def test_the_numbers_behind_a_drawing_open_by_a_key(window, page):
    from selenium.webdriver import Keys

    window.get(page.as_uri())
    summary = window.find_element("css selector", "#training summary")
    table = window.find_element("css selector", "#training details table")
    assert not table.is_displayed()
    summary.send_keys(Keys.ENTER)
    assert table.is_displayed()


def test_a_screen_reader_is_told_of_every_drawing(window, page):
    window.get(page.as_uri())
    drawings = window.find_elements("css selector", "figure > svg")
    assert len(drawings) == 6
    for drawing in drawings:
        assert drawing.aria_role in ("img", "image")
        assert len(drawing.accessible_name) > 20


def luminance(colour):
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_what_is_drawn_stands_out(window, page):
    window.get(page.as_uri())
    names = ["card", "ink", "soft", *(f"s{number}" for number in range(1, 7))]
    style = "getComputedStyle(document.documentElement)"
    value = f"(name) => {style}.getPropertyValue('--' + name).trim()"
    card, *inks = run(window, f"{json.dumps(names)}.map({value})")
    card = "#ffffff" if card == "#fff" else card
    for name, ink in zip(names[1:], inks, strict=True):
        assert contrast(card, ink) >= MIN_CONTRAST, name


def test_a_print_is_light_and_whole(windows, page):
    window = windows["desk"]
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    media = {"media": "print", "features": features}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        window.get(page.as_uri())
        ground = "getComputedStyle(document.documentElement).getPropertyValue('--card').trim()"
        assert run(window, ground) == "#fff"
        assert not window.find_element("css selector", "nav").is_displayed()
        assert window.find_element("css selector", "#tradeoff svg").is_displayed()
    finally:
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
