"""A handful of the planted faults; `benchmarks/conformance_mutations.py` tries all of them."""

import subprocess
import sys

import pytest

from data_stack.settings import PROJECT_ROOT

ONLY = ("reader type", "page column")


@pytest.mark.slow
def test_planted_faults_are_found() -> None:
    chosen = [word for only in ONLY for word in ("--only", only)]
    done = subprocess.run(
        [sys.executable, "benchmarks/conformance_mutations.py", "--source", "bike", *chosen],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any("without a fault: 0 findings" in line for line in lines)
    for only in ONLY:
        tried = [line for line in lines if only.split(" ")[0] in line and ": " in line]
        assert tried
        assert not any("NOT FOUND" in line for line in tried), tried
