"""Settings: one list of names, paths from the project root, errors that name the variable."""

import re
from pathlib import Path

import pytest
from all_settings import settings_classes

from data_stack.errors import UsageError
from data_stack.settings import PROJECT_ROOT, Settings
from dlt_pipeline.bike import BikeSettings
from dlt_pipeline.weather import WeatherSettings

CLASSES = settings_classes()
VARIABLES = sorted(name for settings in CLASSES for name in settings.variables())


def names_in(path: Path, pattern: str) -> list[str]:
    return sorted(re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE))


def test_env_example_lists_every_setting_and_variable_of_the_containers_and_nothing_else() -> None:
    containers = names_in(PROJECT_ROOT / "docker-compose.yml", r"\$\{([A-Z][A-Z0-9_]+)")
    # docker compose itself reads which profiles to start
    expected = sorted({*VARIABLES, *containers, "COMPOSE_PROFILES"})
    assert names_in(PROJECT_ROOT / ".env.example", r"^#? ?([A-Z][A-Z0-9_]+)=") == expected


def test_relative_folders_start_at_the_project_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", "elsewhere")
    assert Settings.load().raw_file("bike") == PROJECT_ROOT / "elsewhere" / "raw" / "bike.duckdb"


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (Settings, "SNAPSHOTS_KEEP", "0"),
        (Settings, "LOG_LEVEL", "LOUD"),
        (Settings, "REJECT_SHARE_MAX", "2"),
        (BikeSettings, "BIKE_SYSTEM", "paris"),
        (BikeSettings, "BIKE_BASE_URL", "s3://tripdata"),
        (WeatherSettings, "WEATHER_LATITUDE", "north"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: type[Settings], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=rf"setting {variable}: "):
        settings.load()
