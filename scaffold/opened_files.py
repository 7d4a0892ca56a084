"""Which files of the repository a process opens, and for whom: how tests depend on SQL, yml, documents and the like.

Python raises an audit event for each file that it opens, also in the libraries: dbt opens a seed, and writes the SQL of
each node that it builds, under the path of the file that defines the node. The process of pytest installs the hook
itself; a process that a test starts installs it as a plugin of coverage.py (`coverage_init`), which starts there by
itself.
"""

import atexit
import json
import os
import re
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

# the test or the fixture that runs, for the processes that it starts
CONTEXT_VARIABLE = "RECORDED_CONTEXT"
# where such a process leaves what it has recorded
FOLDER_VARIABLE = "RECORDING_FOLDER"

ROOT = str(Path(__file__).resolve().parent.parent)

# dbt writes dbt/target/run/data_stack/models/core/fct_trips.sql, and .../fct_trips.yml/<test>.sql for a test
_BUILT = re.compile(r"/target/(?:run|compiled)/\w+/((?:models|tests|seeds)/.+?\.(?:sql|yml|csv))")
_IGNORED = re.compile(r"^(?:\.[^/]*(?:venv|cache|git|tools|hypothesis|test-record)[^/]*(?:/|$)|data/)|__pycache__")


_IMPORT = "<frozen importlib._bootstrap_external>"


class OpenedFiles:
    """Notes the files of the repository that this process opens; there is no way to stop an audit hook.

    Args:
        find_context: Gives the test or the fixture that runs.

    Attributes:
        found: Contexts and paths relative to the repository; that of a folder whose files were listed ends with `/`.
    """

    def __init__(self, find_context: Callable[[], str]) -> None:
        self.found: set[tuple[str, str]] = set()
        self._find_context = find_context
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        # an import opens a file only where there is no bytecode of it
        if event not in ("open", "os.scandir"):
            return
        # Python itself opens the script that it runs: nobody has called
        caller = sys._getframe().f_back
        if caller and caller.f_code.co_filename == _IMPORT:
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        # an open file is passed by its number
        if isinstance(path, str | os.PathLike) and (name := find_name(str(path))):
            self.found.add((self._find_context(), f"{name}/" if event == "os.scandir" else name))


def find_name(path: str) -> str | None:
    """The path relative to the repository of what was opened; None if it is not of the repository.

    Args:
        path: As it was opened; the SQL that dbt writes for a node counts as the file that defines the node.
    """
    if built := _BUILT.search(path):
        return f"dbt/{built[1]}"
    # `os.path` because `Path` is too slow for every file that a process opens
    path = os.path.normpath(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118
    if not path.startswith(f"{ROOT}{os.sep}"):
        return None
    name = path[len(ROOT) + 1 :]
    return None if _IGNORED.search(name) else name


def coverage_init(registry: object, options: object) -> None:
    """Note the files of a process that a test has started; coverage.py calls this.

    Args:
        registry: What coverage.py offers its plugins.
        options: Of the plugin; there are none.
    """
    context, folder = os.environ.get(CONTEXT_VARIABLE, ""), os.environ.get(FOLDER_VARIABLE)
    if folder:
        opened = OpenedFiles(lambda: context)
        atexit.register(lambda: write_files(Path(folder), opened.found))


def write_files(folder: Path, found: set[tuple[str, str]]) -> None:
    """Leave what one process has opened for the one that collects it.

    Args:
        folder: Where the recording is.
        found: Contexts and paths.
    """
    if folder.is_dir():
        (folder / f"{uuid.uuid4().hex}.files.json").write_text(json.dumps(sorted(found)))
