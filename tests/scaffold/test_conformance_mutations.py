"""A handful of the planted faults; `benchmarks/conformance_mutations.py` tries all of them."""

import subprocess
import sys

import pytest

from data_stack.settings import PROJECT_ROOT


@pytest.mark.slow
@pytest.mark.parametrize("only", ["reader type", "page column"])
def test_a_planted_fault_is_found(only: str) -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/conformance_mutations.py", "--source", "bike", "--only", only],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any("without a fault: 0 findings" in line for line in lines)
    tried = [line for line in lines if only.split(" ")[0] in line and ": " in line]
    assert tried
    assert not any("NOT FOUND" in line for line in tried), tried
