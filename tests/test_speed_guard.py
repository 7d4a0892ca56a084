"""A whole run costs no more than a few times what hand-written SQL costs on the same files; `make bench` measures more.

Limits are ratios of processor time within one round, memory and bytes, with head-room, because machines differ. A round
that other work disturbed is repeated; a slower platform misses the limit in every round.
"""

from pathlib import Path

import pytest

from benchmarks.speed.comparison import START_UP_RIDES, Round, Runner
from benchmarks.speed.rides import Provider, write_provider
from benchmarks.speed.runs import serve
from data_stack.registry import source_names

RIDES = 200_000
ROUNDS_MAX = 2
# processor time without start-up, divided by that of the floor
RATIO_MAX = 5.0
PEAK_GIGABYTES_MAX = 1.3
# bytes written without start-up, divided by those of the CSVs: the files are compressed, so that 1 is several copies
WRITTEN_MAX = 2.0

needs_rides = pytest.mark.skipif(
    not {"bike", "weather"} <= {*source_names()}, reason="the sources that the floor computes are not registered"
)


@pytest.mark.slow
@needs_rides
def test_a_run_costs_a_few_times_what_hand_written_sql_costs(tmp_path: Path) -> None:
    provider = write_provider(tmp_path / "provider", RIDES, 1)
    small = write_provider(tmp_path / "small", START_UP_RIDES, 1)
    rounds: list[str] = []
    with serve(provider) as served, serve(small) as served_small:
        runner = Runner(tmp_path / "round", provider, served, small, served_small)
        while len(rounds) < ROUNDS_MAX:
            figures = compute_figures(provider, runner.run_round())
            if all(value <= limit for value, limit in figures.values()):
                return
            rounds.append(", ".join(f"{name} {value:.2f} (limit {limit})" for name, (value, limit) in figures.items()))
    pytest.fail("\n".join(rounds))


def compute_figures(provider: Provider, measured: Round) -> dict[str, tuple[float, float]]:
    """What is limited, with its limit."""
    whole, start_up = measured.platform.usage, measured.start_up.usage
    ratio = (whole.cpu_seconds - start_up.cpu_seconds) / measured.floor.cpu_seconds
    written = (whole.written_bytes - start_up.written_bytes) / provider.csv_bytes
    return {
        "processor time against the floor": (ratio, RATIO_MAX),
        "peak memory in GB": (whole.peak_bytes / 10**9, PEAK_GIGABYTES_MAX),
        "bytes written per byte of CSV": (written, WRITTEN_MAX),
    }
