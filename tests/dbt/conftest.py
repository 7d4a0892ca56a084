"""The golden warehouse: built once for the tests that only read it."""

import pytest
from dbt_support import build
from golden import load_golden

from data_stack.settings import Settings


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the golden data, built."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("golden") / "data")
    load_golden(settings)
    build(settings)
    return settings
