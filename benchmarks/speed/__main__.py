"""`make bench`: measures the sizes given, prints the tables and writes the document."""

import argparse
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.speed.comparison import compare_size, measure_added_month, measure_help
from benchmarks.speed.document import DOCUMENT, write_document
from benchmarks.speed.others import compare_others
from benchmarks.speed.results import FILE, describe_machine, read_results, write_results
from benchmarks.speed.rides import get_default_folder

SIZES = "100000 1000000"
ROUNDS = 3
# a round of a year takes long enough to average the rest of the machine
ONE_ROUND_FROM = 10_000_000
ADDED_MONTH_RIDES = 1_200_000
PARTS = ("sizes", "help", "added", "others")


def main() -> None:
    """Measure what was asked for; what is finished is kept if a later part fails."""
    options = _read_options()
    results = read_results(options.results)
    for keys, measure in _list_measurements(options):
        on = describe_machine()
        part = results
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = measure() | {"on": on}
        write_results(results, options.results)
        write_document(results, options.document)
    print(options.document.read_text())
    # another folder may have other files
    if options.folder == get_default_folder() and not options.is_folder_kept:
        shutil.rmtree(options.folder, ignore_errors=True)


def _list_measurements(options: argparse.Namespace) -> Iterator[tuple[tuple[str, ...], Callable[[], dict[str, Any]]]]:
    """What is measured, with the keys of its figures among the results."""
    folder = options.folder
    for rides in options.sizes if "sizes" in options.parts else ():
        rounds = options.rounds or (1 if rides >= ONE_ROUND_FROM else ROUNDS)
        yield ("sizes", str(rides)), partial(compare_size, folder, rides, rounds, _say)
    if "help" in options.parts:
        yield ("help",), partial(measure_help, ROUNDS)
    if "added" in options.parts:
        rounds = options.rounds or ROUNDS
        yield ("added_month",), partial(measure_added_month, folder, options.added_rides, rounds, _say)
    if "others" in options.parts:
        yield ("others",), partial(compare_others, folder, _say)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sizes", type=_parse_sizes, default=_parse_sizes(SIZES), help="numbers of rides")
    parser.add_argument("--rounds", type=int, help=f"rounds of each size; {ROUNDS} by default, 1 from 10 million rides")
    parser.add_argument("--parts", type=str.split, default=list(PARTS), help=f"what to measure: {' '.join(PARTS)}")
    parser.add_argument("--added-rides", type=int, default=ADDED_MONTH_RIDES, help="rides of the twelve months")
    parser.add_argument("--folder", type=Path, default=get_default_folder(), help="generated files and runs")
    parser.add_argument(
        "--keep-folder",
        dest="is_folder_kept",
        action="store_true",
        help="keep what was generated in the default folder",
    )
    parser.add_argument("--results", type=Path, default=FILE, help="figures that are kept")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the document")
    return parser.parse_args()


def _parse_sizes(text: str) -> list[int]:
    return [int(word.replace(",", "").replace("_", "")) for word in text.split()]


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
