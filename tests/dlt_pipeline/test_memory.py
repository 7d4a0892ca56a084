"""Memory of an ingest does not grow with the provider's file."""

import runpy
from pathlib import Path

import pytest

from data_stack.settings import PROJECT_ROOT

RIDES = 100_000


@pytest.mark.slow
def test_four_times_the_rides_need_little_more_memory(tmp_path: Path) -> None:
    ratios = runpy.run_path(str(PROJECT_ROOT / "benchmarks" / "ratios.py"))
    peaks = [
        ratios["ingest_apart"](ratios["write_bucket"](tmp_path / f"{rides}-bucket", rides), tmp_path / str(rides))[
            "peak_mb"
        ]
        for rides in (RIDES, 4 * RIDES)
    ]
    assert peaks[1] < 1.5 * peaks[0]
