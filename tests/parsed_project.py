"""The dbt project, parsed once per process, for the tests that build."""

import shutil
from pathlib import Path

from data_stack.ops import Ops
from data_stack.settings import Settings
from dbt_runner.build import _hash_project, _invoke_dbt, _prepare_build_file, _remember_project, _target_dir


class ParsedProject:
    """Lets the builds of one process share the parsed project, which saves seconds for each data folder.

    dbt reuses a parsed project only if the paths in the profile are the same, so the data folders take turns behind one
    link.
    """

    def __init__(self, folder: Path) -> None:
        self._link = folder / "data"
        self._parsed = folder / "partial_parse.msgpack"

    def use(self, folder: Path) -> Settings:
        """Put a data folder behind the link, until the next call."""
        folder.mkdir(parents=True, exist_ok=True)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(folder)
        settings = Settings.load(data_dir=self._link)
        target = _target_dir(settings)
        target.mkdir(parents=True, exist_ok=True)
        if not self._parsed.exists():
            assert _invoke_dbt(settings, ["parse", "--no-write-json"]).success
            shutil.copy(target / self._parsed.name, self._parsed)
        shutil.copy(self._parsed, target / self._parsed.name)
        return settings


def skip_unit_tests(settings: Settings) -> None:
    """Record this version of the project as built, so that the next build skips the unit tests."""
    project_hash = _hash_project()
    _prepare_build_file(settings, Ops(settings.ops_dir), project_hash)
    _remember_project(settings, project_hash)
