"""The parsed dbt project, kept beside the project: a run with the same project in any data folder need not parse it.

Beside it stands whether the unit tests of this version of the project have passed, which no data can change. dbt keeps
a parsed project per data folder itself, and parses everything again where a path in the profile differs.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from data_stack.ops import new_id
from data_stack.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_KEPT = 5
_PACKAGES = ("dbt-core", "dbt-adapters", "dbt-common", "dbt-duckdb", "duckdb")
_NOT_PARSED = ("target", "logs", "__pycache__")


def hash_project(project_dir: Path, variables: Mapping[str, str]) -> str:
    """Hash of all that dbt's parse and its unit tests depend on: the files of the project, variables, and versions.

    Args:
        project_dir: The dbt project.
        variables: Environment variables that its models read; those that only the profile reads change no model.
    """
    found = hashlib.sha256()
    of_dbt = {name: value for name, value in os.environ.items() if name.startswith("DBT_")}
    versions = [platform.python_version(), *(version(package) for package in _PACKAGES)]
    found.update(repr([str(project_dir), sys.prefix, versions, sorted({**of_dbt, **variables}.items())]).encode())
    for path in sorted(project_dir.rglob("*")):
        parts = path.relative_to(project_dir).parts
        if parts[0] not in _NOT_PARSED and "__pycache__" not in parts and path.is_file():
            content = path.read_bytes()
            found.update(f"{parts} {len(content)}\n".encode() + content)
    return found.hexdigest()


def read_parsed_project(project_hash: str) -> "Manifest | None":
    """The project as dbt parsed it; None if it is not kept or cannot be read.

    Args:
        project_hash: What `hash_project` returns.
    """
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    try:
        kept = _kept_file(project_hash).read_bytes()
        manifest: Manifest = Manifest.from_msgpack(kept, decoder=extended_mashumuro_decoder)
    except Exception:
        # it only saves time, so whatever is wrong with it, dbt parses the project again
        return None
    # as dbt does with a parsed project of its own
    manifest.build_parent_and_child_maps()
    manifest.build_group_map()
    manifest.build_flat_graph()
    return manifest


def keep_parsed_project(project_hash: str, parsed_file: Path) -> None:
    """Keep what dbt has parsed, and remove the oldest of what is kept; does nothing in a folder of another user.

    Args:
        project_hash: What `hash_project` returns.
        parsed_file: dbt's own file, `partial_parse.msgpack`.
    """
    _keep(_kept_file(project_hash), parsed_file.read_bytes())


def have_unit_tests_passed(project_hash: str) -> bool:
    """Whether every unit test of this version of the project has passed before.

    Args:
        project_hash: What `hash_project` returns.
    """
    return _proof_file(project_hash).exists()


def remember_unit_tests(project_hash: str) -> None:
    """Note that every unit test of this version of the project has passed; does nothing in a folder of another user.

    Args:
        project_hash: What `hash_project` returns.
    """
    _keep(_proof_file(project_hash), b"")


def _keep(target: Path, content: bytes) -> None:
    # several runs may write at once: the file appears complete or not at all
    new = target.with_name(f".{new_id()}.new")
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_bytes(content)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        kept = sorted(target.parent.glob(f"*{target.suffix}"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-_KEPT]:
            path.unlink(missing_ok=True)


def _proof_file(project_hash: str) -> Path:
    return _kept_file(project_hash).with_suffix(".unit_tests_passed")


def _kept_file(project_hash: str) -> Path:
    return PROJECT_ROOT / ".cache" / "dbt" / f"{project_hash}.msgpack"
