"""A copy of this repository in which sources are added and removed, with the same environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from small_repository import run_git

from data_stack.settings import PROJECT_ROOT


def copy_repository(folder: Path) -> Path:
    """Copy what git tracks or would track, and commit it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in filter(None, listed.stdout.split("\0")):
        if (PROJECT_ROOT / path).is_file():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / path, folder / path)
    (folder / ".venv").symlink_to(sys.prefix)
    run_git(folder, "init", "-q")
    (folder / ".git" / "info" / "exclude").write_text(".venv\n")
    for command in (["add", "-A"], ["commit", "-q", "-m", "Copy"]):
        run_git(folder, *command)
    return folder


def list_added(folder: Path) -> dict[str, list[str]]:
    """List the files that git does not track yet, by their ending."""
    added: dict[str, list[str]] = {".py": [], ".sql": []}
    for path in run_git(folder, "ls-files", "-o", "--exclude-standard").splitlines():
        added.setdefault(Path(path).suffix, []).append(path)
    return added


def run_in(folder: Path, *words: str, **environment: str) -> str:
    """Run a module of the copy; fails with its output if it fails."""
    return _run_python(folder, ("-m", *words), environment)


def run_command(folder: Path, *words: str, **environment: str) -> str:
    """Run `data-stack` as the copy has it; fails with its output if it fails."""
    return _run_python(folder, ("-c", "from orchestration.cli.app import main; main()", *words), environment)


def run_script(folder: Path, script: str) -> str:
    """Run a script of the copy; fails with its output if it fails."""
    return _run_python(folder, (script,), {})


def _run_python(folder: Path, words: tuple[str, ...], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
