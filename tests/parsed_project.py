"""The dbt project, parsed once per process, for the tests that build."""

import shutil
from pathlib import Path

from data_stack.ops import Ops
from data_stack.settings import Settings
from dbt_runner.build import DBT_DIR, _invoke_dbt, _prepare_build_file, _target_dir
from dbt_runner.state import hash_shared_inputs, remember_project

_parsed_project: list[tuple[str, str]] = []

_SHARED = (
    "dbt_project.yml",
    "profiles.yml",
    "macros/**/*.sql",
    "tests/generic/*.sql",
    "metrics/_calendar.yml",
    "models/staging/_gate__sources.yml",
    "models/core/day_bounds*",
    "models/core/day_holidays*",
    "models/core/dim_dates*",
)


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
    _prepare_build_file(settings, Ops(settings))
    manifest, shared_inputs = _parsed(settings)
    manifest_file = _target_dir(settings) / "manifest.json"
    manifest_file.parent.mkdir(parents=True, exist_ok=True)
    manifest_file.write_text(manifest)
    remember_project(settings, manifest_file, shared_inputs)


def _parsed(settings: Settings) -> tuple[str, str]:
    """dbt's manifest and the hash of the shared inputs, which are the same for every data folder of one process."""
    if not _parsed_project:
        outcome = _invoke_dbt(settings, ["parse"])
        assert outcome.success
        manifest = (_target_dir(settings) / "manifest.json").read_text()
        _parsed_project.append((manifest, hash_shared_inputs(outcome.result, DBT_DIR / "dbt_project.yml")))
    return _parsed_project[0]


def copy_shared_project(folder: Path) -> None:
    """Copy what the dbt project has whatever its sources: a build takes a quarter of the time of all models."""
    for path in (path for pattern in _SHARED for path in DBT_DIR.glob(pattern)):
        target = folder / path.relative_to(DBT_DIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
