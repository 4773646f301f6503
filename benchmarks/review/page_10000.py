"""How long does a review of 10,000 photos take to its first photo, and from a key to the next one?

python -m benchmarks.review.page_10000

Needs edgecat[dev] and Debian's chromium and chromium-driver.
"""

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.results import write_result
from benchmarks.review.kills import running
from benchmarks.review.photos import keep_drawings

# As a camera at a door has it.
_SIZE_PX = (1280, 960)

# In the page's own clock, which begins with the navigation: nothing of the driver is in it.
_UNTIL_SEEN = """
const done = arguments[arguments.length - 1];
const look = () => seen === null ? requestAnimationFrame(look) : done(performance.now());
look();
"""
_PRESS = """
const done = arguments[arguments.length - 1], before = seen, started = performance.now();
const look = () => seen === null || seen === before
  ? requestAnimationFrame(look) : done(performance.now() - started);
document.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
look();
"""


def open_window() -> Any:
    """Return a browser without a screen."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def measure_page(port: int, num_opens: int, num_keys: int) -> dict[str, Any]:
    """Return milliseconds to the first photo, and from keys to the photos after."""
    with open_window() as window:
        firsts_ms = []
        for _ in range(num_opens):
            window.get(f"http://127.0.0.1:{port}/")
            firsts_ms.append(window.execute_async_script(_UNTIL_SEEN))
        keys_ms = [window.execute_async_script(_PRESS) for _ in range(num_keys)]
    return {
        "first_ms": statistics.median(firsts_ms),
        "worst_first_ms": max(firsts_ms),
        "key_ms": statistics.median(keys_ms),
        "worst_key_ms": max(keys_ms),
        "firsts_ms": firsts_ms,
        "keys_ms": keys_ms,
    }


@click.command()
@click.option("--photos", "num_photos", default=10_000, show_default=True)
@click.option("--keys", "num_keys", default=200, show_default=True)
def main(num_photos: int, num_keys: int) -> None:
    """Keep drawings, review them, write down how long that takes."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "kept"
        keep_drawings(folder, num_photos, _SIZE_PX)
        started_s = time.perf_counter()
        with running(folder) as (_, port):
            start_s = time.perf_counter() - started_s
            measured = measure_page(port, 10, num_keys)
    values = {"num_photos": num_photos, "start_s": start_s} | measured
    print(json.dumps({k: v for k, v in values.items() if not isinstance(v, list)}, indent=1))
    write_result("review_page", values)


if __name__ == "__main__":
    main()
