"""`make env`: every secret once, nothing overwritten, readable by its owner only."""

import base64
import subprocess
import sys
from pathlib import Path

from data_stack.settings import PROJECT_ROOT
from orchestration.container_env import SECRETS, add_secrets


def values(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)


def test_a_new_file_gets_every_secret(tmp_path: Path) -> None:
    path = tmp_path / "env"
    assert add_secrets(path) == list(SECRETS)
    made = values(path)
    assert set(made) == set(SECRETS) and len(set(made.values())) == len(SECRETS)
    assert all(len(value) >= 16 for value in made.values())
    assert len(base64.urlsafe_b64decode(made["AIRFLOW_FERNET_KEY"])) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_file_gets_other_secrets(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    add_secrets(one)
    add_secrets(other)
    assert not set(values(one).values()) & set(values(other).values())


def test_what_is_there_stays_and_what_is_empty_is_made(tmp_path: Path) -> None:
    path = tmp_path / "env"
    before = "# mine\nBIKE_SYSTEM=nyc\nexport POSTGRES_PASSWORD='kept'\nAIRFLOW_JWT_SECRET=\nDATA_DIR=elsewhere"
    path.write_text(before, encoding="utf-8")
    path.chmod(0o644)
    assert add_secrets(path) == [name for name in SECRETS if name != "POSTGRES_PASSWORD"]
    assert path.read_text(encoding="utf-8").startswith(before + "\n")
    # the last line of a name counts
    assert values(path)["AIRFLOW_JWT_SECRET"] and values(path)["DATA_DIR"] == "elsewhere"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "env"
    add_secrets(path)
    before = path.read_bytes()
    assert add_secrets(path) == []
    assert path.read_bytes() == before


def test_it_runs_before_anything_is_installed_and_prints_no_value(tmp_path: Path) -> None:
    path = tmp_path / "env"
    # -S: without site-packages
    command = [sys.executable, "-S", "-m", "orchestration.container_env", str(path)]
    run = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert all(name in run.stdout for name in SECRETS)
    assert not [value for value in values(path).values() if value in run.stdout + run.stderr]
