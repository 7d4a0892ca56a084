"""Measure the seconds that each page takes, on the sample and on two million rides.

`make benchmark-pages` prints a table. Each page runs in its own process with Streamlit's AppTest and all days:
the time of the script on the server, without the browser.

- first: the first page of a new server, including the imports of the libraries
- cold: the first page on a publication, with empty caches
- warm: the same page again
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from data_stack.registry import SOURCES
from data_stack.settings import folder_variables
from streamlit_app import app_pages
from streamlit_app.page import find_pages

ROOT = Path(__file__).resolve().parent.parent
# rides per day of the generated year, limit of the first and cold page in seconds
SIZES = {"the sample": (300, 2.0), "two million rides": (5500, 3.0)}
WARM_LIMIT = 0.5
DRAW = """
import json, logging, sys, time
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
logging.disable(logging.CRITICAL)

def draw(app):
    began = time.perf_counter()
    app.run()
    seconds = time.perf_counter() - began
    assert not app.exception and not app.error, [error.value for error in app.error]
    return seconds

def page():
    app = AppTest.from_file("streamlit_app/Home.py", default_timeout=60)
    app._page_hash = calc_hash(sys.argv[1])
    app.query_params = {"period": "All days"}
    return app

app = page()
seconds = {"first": draw(app)}
st.cache_data.clear()
st.cache_resource.clear()
app = page()
seconds["cold"] = draw(app)
seconds["warm"] = min(draw(app) for _ in range(3))
print(json.dumps(seconds))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Seconds to draw each page")
    parser.add_argument("--data-dir", type=Path, help="measure this data folder and generate none")
    chosen = parser.parse_args().data_dir
    if chosen:
        measure(chosen.resolve(), str(chosen), SIZES["the sample"][1])
        return
    if not SOURCES:
        print("no source is registered, so there is nothing to measure")
        return
    for name, (rides_per_day, limit) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            run([sys.executable, "-c", "from orchestration.cli import main; main()", "sample", "demo",
                 "--rides-per-day", str(rides_per_day)], Path(folder))  # fmt: skip
            measure(Path(folder), name, limit)


def measure(data_dir: Path, name: str, limit: float) -> None:
    """Measure every page and print its seconds.

    Args:
        data_dir: Data folder with a published warehouse.
        name: Name of the data in the output.
        limit: Limit of the first and cold page in seconds.
    """
    print(f"{name}: limit {limit:.1f} s first and cold, {WARM_LIMIT:.1f} s warm")
    for found in find_pages(app_pages):
        # the better of two processes, because other work on the machine also takes time
        runs = [json.loads(run([sys.executable, "-c", DRAW, found.name], data_dir)) for _ in range(2)]
        seconds = {kind: min(one[kind] for one in runs) for kind in runs[0]}
        over = max(seconds["first"], seconds["cold"]) > limit or seconds["warm"] > WARM_LIMIT
        figures = "  ".join(f"{kind} {value:5.2f} s" for kind, value in seconds.items())
        print(f"  {found.name:<16} {figures}{'  over the limit' if over else ''}")


def run(command: Sequence[str], data_dir: Path) -> str:
    """Run a command on a data folder and return its output."""
    done = subprocess.run(
        command, env=os.environ | folder_variables(data_dir), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
