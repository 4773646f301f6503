"""A real browser without a screen, at the size of a phone and of a desk."""

import os
import shutil

import pytest

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


def open_window(kind):
    """Open Chromium; skip the test where there is none, fail it in CI."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        reason = f"needs {' and '.join(missing)} (apt-get install chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (edgecat[dev])")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    width, height = SIZES[kind]
    if kind == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    window.set_window_size(width, height)
    return window
