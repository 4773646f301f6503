"""The contact sheet in a real browser: nothing runs, everything is reached and seen."""

import pytest

from edgecat.audit.sheet import ContactSheet
from edgecat.photos.photo_list import format_path
from edgecat.progress import Silent
from tests.browser import SIZES, open_window

pytestmark = pytest.mark.slow  # starts a browser

LABEL = "<script>alert(1)<_script>"  # as a label of `_` for a blank
PHOTO = '"><img src=x onerror=alert(2)>.jpg'


@pytest.fixture
def sheet(hues, look, tmp_path):
    (hues / "red").rename(hues / LABEL)
    (hues / "blue" / "1.jpg").rename(hues / LABEL / PHOTO)
    (hues / "blue" / "broken.jpg").write_bytes(b"")
    path = tmp_path / "sheet.html"
    path.write_text(ContactSheet(look(hues), path).to_html(Silent()), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=SIZES)
def browser(request):
    window = open_window(request.param)
    yield window
    window.quit()


@pytest.fixture
def window(browser, sheet):
    browser.get(sheet.as_uri())
    return browser


def test_names_are_shown_and_not_run_and_the_browser_has_no_complaint(window):
    body = window.execute_script("return document.body.textContent")
    assert PHOTO in body
    assert "Looks like 'blue'" in body
    assert window.execute_script("return document.scripts.length") == 0
    assert window.get_log("browser") == []


def test_every_thumbnail_is_drawn_from_the_page_itself_and_has_a_name(window):
    pictures = window.find_elements("tag name", "img")
    assert pictures
    for picture in pictures:
        window.execute_script("arguments[0].scrollIntoView()", picture)
        assert picture.get_attribute("src").startswith("data:image/jpeg;base64,")
        assert picture.get_attribute("alt")
        window.execute_async_script(
            "arguments[0].decode().then(arguments[1], arguments[1])", picture
        )
        assert picture.get_property("naturalWidth") > 0


def test_nothing_sticks_out(window):
    assert (
        window.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        <= 0
    )


def test_photos_that_stand_alone_stand_two_abreast_on_every_screen(window):
    script = """return [...document.querySelectorAll(".findings > li:not(:has(figure + figure))")]
        .map((item) => item.offsetWidth / item.parentElement.offsetWidth)"""
    ratios = window.execute_script(script)
    assert ratios
    assert max(ratios) <= 0.5


def test_the_keyboard_reaches_a_check_and_its_photos_and_the_focus_is_seen(window):
    from selenium.webdriver import ActionChains, Keys

    window.execute_script("document.body.focus()")
    ActionChains(window).send_keys(Keys.TAB).perform()
    active = window.switch_to.active_element
    assert active.text == "unreadable files"
    assert (
        window.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        == "solid"
    )
    ActionChains(window).send_keys(Keys.ENTER).perform()
    assert window.execute_script("return location.hash") == "#unreadable"
    ActionChains(window).send_keys(Keys.TAB).perform()
    assert window.switch_to.active_element.get_attribute("href").endswith("broken.jpg")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(window, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    ground, ink, link = window.execute_script(
        """return ["--ground", "--ink", "--accent"].map(
            (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
    )
    assert (luminance(ground) > 0.5) == (scheme == "light")
    for colour in (ink, link):
        low, high = sorted([luminance(ground), luminance(colour)])
        assert (high + 0.05) / (low + 0.05) >= 4.5  # Source: WCAG 2.2, 1.4.3


def luminance(colour):
    """Source: WCAG 2.2, relative luminance."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_page_names_no_other_place(sheet):
    text = sheet.read_text(encoding="utf-8")
    assert "://" not in text
    assert "default-src 'none'" in text
    assert format_path(PHOTO) not in text  # escaped
