"""How large is a report of 12 classes, how long does a browser take to open it, who can read it?

python -m benchmarks.device.report_page RUN BUNDLE --data ../shared/cats --others ../shared/not-cats

Needs edgecat[dev] and Debian's chromium and chromium-driver.
"""

import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.command import EDGECAT
from benchmarks.results import write_result

_NUM_RUNS = 15
_SIZES_PX = {"phone": (390, 844), "desk": (1280, 800)}
_GRAVE = ("serious", "critical")


def open_page(page: Path, kind: str, scheme: str) -> dict[str, Any]:
    """Open a page several times in a fresh window and let axe-core examine it."""
    from axe_core_python.selenium import Axe
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as window:
        window.set_window_size(*_SIZES_PX[kind])
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        loads_ms = []
        for _ in range(_NUM_RUNS):
            window.get(page.as_uri())
            script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
            loads_ms.append(window.execute_script(script))
        violations = Axe().run(window)["violations"]
        return {
            "window": kind,
            "scheme": scheme,
            "loads_ms": loads_ms,
            "median_ms": statistics.median(loads_ms),
            "num_console": len(window.get_log("browser")),
            "num_grave": sum(each["impact"] in _GRAVE for each in violations),
            "violations": [each["id"] for each in violations],
        }


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--data", type=click.Path(exists=True), required=True, help="Labelled photos.")
@click.option("--others", type=click.Path(exists=True), required=True, help="Photos of no class.")
def main(sources: tuple[str, ...], data: str, others: str) -> None:
    """Make a report of SOURCES, as edgecat report takes them, and open it in Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        photos = ["--data", data, "--others", others]
        subprocess.run([EDGECAT, "report", *sources, *photos, "--out", str(page)], check=True)
        size_bytes = page.stat().st_size
        rows = [open_page(page, kind, s) for kind in _SIZES_PX for s in ("light", "dark")]
    for row in rows:
        print(f"{row['window']}, {row['scheme']}: {row['median_ms']:.0f} ms, {row['violations']}")
    write_result("report_page", {"size_bytes": size_bytes, "rows": rows})


if __name__ == "__main__":
    main()
