"""The modules beside the notebooks are no package: a kernel finds them because it runs in their folder."""

import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from data_stack.locks import Locks
from data_stack.settings import PROJECT_ROOT, Settings

sys.path.append(str(PROJECT_ROOT / "notebooks"))

from notebook_support import Edit, Publish, publish_year


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A published year of the sample, made once even if several processes run the tests; for reading only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "notebooks"
    with Locks(Settings.load(data_dir=folder), "the tests of the notebooks").hold("year", wait_seconds=300):
        published = folder / "data" / "warehouse.duckdb"
        return published if published.exists() else publish_year(folder)


@pytest.fixture
def published(warehouse: Path, settings: Settings) -> Publish:
    """Publishes the sample in the test's own data folder, after an edit of its rows."""

    def publish(edit: Edit | None = None) -> Settings:
        settings.data_dir.mkdir(parents=True)
        shutil.copyfile(warehouse, settings.warehouse_file)
        if edit:
            with duckdb.connect(str(settings.warehouse_file)) as db:
                edit(db)
        return settings

    return publish
