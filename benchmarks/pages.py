"""Seconds to draw each page, on the sample and on two million rides.

`make benchmark-pages` prints a table. Pages run under Streamlit's AppTest, each in a process of its own, with all days
chosen: what the script costs on the server, without the browser's part.

- first: the first page of a server that was just started, imports of the libraries included
- cold: the first look at a publication, nothing in the caches
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

from streamlit_app import app_pages
from streamlit_app.page import find_pages

ROOT = Path(__file__).resolve().parent.parent
# rides a day of the generated year, seconds that the first or cold page may take
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
    app.query_params = {"period": "all", "by": "day"}
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
    for words, (rides_per_day, limit) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            run([sys.executable, "-c", "from orchestration.cli import main; main()", "sample", "demo",
                 "--rides-per-day", str(rides_per_day)], Path(folder))  # fmt: skip
            measure(Path(folder), words, limit)


def measure(data_dir: Path, words: str, limit: float) -> None:
    """Draw every page and print its seconds.

    Args:
        data_dir: Where a warehouse is published.
        words: What is in it.
        limit: Seconds that a first or cold page may take.
    """
    print(f"{words}: limit {limit:.1f} s first and cold, {WARM_LIMIT:.1f} s warm")
    for found in find_pages(app_pages):
        # the better of two processes, because other work on the machine is no cost of ours
        runs = [json.loads(run([sys.executable, "-c", DRAW, found.name], data_dir)) for _ in range(2)]
        seconds = {name: min(one[name] for one in runs) for name in runs[0]}
        over = max(seconds["first"], seconds["cold"]) > limit or seconds["warm"] > WARM_LIMIT
        figures = "  ".join(f"{name} {value:5.2f} s" for name, value in seconds.items())
        print(f"  {found.name:<16} {figures}{'  over the limit' if over else ''}")


def run(command: Sequence[str], data_dir: Path) -> str:
    """Run a command on a data folder; what it printed."""
    done = subprocess.run(
        command, env=os.environ | {"DATA_DIR": str(data_dir)}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
