"""The warehouse of the demo, made once for all slow tests of the pages, even if several processes run them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_support import register_visits

from data_stack.locks import Locks
from data_stack.registry import SOURCES
from data_stack.settings import PROJECT_ROOT, Settings

# small, but with every season, overlapping exports and incomplete days
SAMPLE = ["sample", "demo", "--from", "2024-01", "--to", "2024-12", "--rides-per-day", "40"]


@pytest.fixture(scope="session", autouse=True)
def without_custom_components() -> Iterator[None]:
    """AppTest looks for custom components in every installed package, which takes longer than any page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Settings:
    """Settings of a data folder with the sample, published by the real pipeline; for reading only."""
    if not SOURCES:
        pytest.skip("no source is registered, so there is no demo")
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "demo"
    settings = Settings.load(data_dir=shared / "data")
    with Locks(Settings.load(data_dir=shared), "the tests of the pages").hold("demo", wait_seconds=300):
        if not settings.warehouse_file.exists():
            _run(settings.data_dir)
    return settings


def _run(data_dir: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_PATH"))}
    command = "import sys; from orchestration.cli import main; sys.argv[0] = 'data-stack'; main()"
    subprocess.run(
        [sys.executable, "-c", command, *SAMPLE],
        cwd=PROJECT_ROOT,
        env=environment | {"DATA_DIR": str(data_dir), "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder for all tests of a file that only read it."""
    return Settings.load(data_dir=tmp_path_factory.mktemp("shared") / "data")


@pytest.fixture
def on_demo(demo: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The pages look at the demo's warehouse."""
    monkeypatch.setenv("DATA_DIR", str(demo.data_dir))
    return demo


@pytest.fixture
def only_visits(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No source is registered but those that only tests have, so that the test needs no real one."""
    register_visits(monkeypatch)
