"""Files are fetched one ahead of the one that is read."""

import threading
import time

import pytest

from data_stack.progress import Progress, ignore_progress
from dlt_pipeline.ahead import fetch_ahead


def test_the_next_file_is_fetched_while_one_is_read() -> None:
    fetched = {name: threading.Event() for name in "abc"}

    def fetch(name: str, _progress: Progress) -> str:
        fetched[name].set()
        return name.upper()

    found = fetch_ahead("abc", fetch, ignore_progress)
    assert next(found) == ("a", "A")
    assert fetched["b"].wait(10)
    assert not fetched["c"].is_set()
    assert list(found) == [("b", "B"), ("c", "C")]
    assert list(fetch_ahead("", fetch, ignore_progress)) == []


def test_an_error_comes_where_its_file_would() -> None:
    def fetch(name: str, _progress: Progress) -> str:
        if name == "b":
            raise ValueError("no b")
        return name

    found = fetch_ahead("abc", fetch, ignore_progress)
    assert next(found) == ("a", "a")
    with pytest.raises(ValueError, match="no b"):
        next(found)


def test_progress_is_passed_on_and_a_file_that_nobody_waits_for_is_given_up() -> None:
    reported: list[tuple[str, int, int | None]] = []
    is_given_up = threading.Event()

    def fetch(name: str, progress: Progress) -> str:
        try:
            for done in range(10_000 if name == "b" else 2):
                progress(name, done, None)
                time.sleep(0.001)
        except Exception:
            is_given_up.set()
            raise
        return name

    found = fetch_ahead("ab", fetch, lambda *event: reported.append(event))
    next(found)
    assert reported[:2] == [("a", 0, None), ("a", 1, None)]
    found.close()
    assert is_given_up.wait(10)
