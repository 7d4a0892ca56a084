"""Processes that read one layer each and answer in JSON: the large libraries are imported side by side."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_stack.errors import TerminalError
from data_stack.settings import PROJECT_ROOT

IN_PROCESS = "CONFORMANCE_IN_PROCESS"
"""Variable that has every layer read in this process, where the libraries are imported already."""

MARK = "CONFORMANCE "
"""Before the answer, as libraries write to standard output too."""


@dataclass
class Reading:
    """A process that reads a layer.

    Attributes:
        module: Its module.
        process: The process.
        home: Folder of its own, for libraries that write into their home.
    """

    module: str
    process: subprocess.Popen[str]
    home: tempfile.TemporaryDirectory[str]

    def wait(self) -> dict[str, Any]:
        """Its answer.

        Raises:
            TerminalError: It ended without one; the message has the last line of its errors.
        """
        output, errors = self.process.communicate()
        self.home.cleanup()
        lines = [line for line in output.splitlines() if line.startswith(MARK)]
        if not lines:
            raise TerminalError((errors.strip() or "no message").splitlines()[-1])
        found: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
        return found


def start_reading(module: str, *arguments: str) -> Reading:
    """Start `python -m scaffold.conformance.<module>`.

    Args:
        module: A module of this package.
        arguments: Its arguments.
    """
    home = tempfile.TemporaryDirectory(prefix="data-stack-")
    process = subprocess.Popen(  # noqa: S603 - a module of this package
        [sys.executable, "-m", f"{__package__}.{module}", *arguments],
        cwd=PROJECT_ROOT,
        env=os.environ | {"AIRFLOW_HOME": str(Path(home.name) / "airflow"), "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Reading(module, process, home)
