"""The script that creates the next spec folder."""

import shutil
from pathlib import Path

import pytest
from agents_support import run

from data_stack.settings import PROJECT_ROOT

SCRIPT = ".awos/scripts/create-spec-directory.sh"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with nothing but the script, in a folder whose name has a space."""
    root = tmp_path / "a project"
    (root / SCRIPT).parent.mkdir(parents=True)
    shutil.copy2(PROJECT_ROOT / SCRIPT, root / SCRIPT)
    return root


def create(project: Path, *names: str, folder: Path | None = None) -> tuple[int, str, str]:
    done = run(project / SCRIPT, *names, folder=folder or project)
    return done.returncode, done.stdout, done.stderr


def specs(project: Path) -> list[str]:
    return sorted(path.name for path in (project / "context/spec").glob("*"))


def test_numbers_go_on_from_the_highest(project: Path) -> None:
    assert create(project, "first") == (0, "context/spec/001-first\n", "")
    for taken in ("008-old", "019-gap", "notes", "20-short"):
        (project / "context/spec" / taken).mkdir()
    assert create(project, "add-traffic-counts") == (0, "context/spec/020-add-traffic-counts\n", "")
    assert (project / "context/spec/020-add-traffic-counts").is_dir()


def test_it_works_from_any_folder(project: Path, tmp_path: Path) -> None:
    assert create(project, "elsewhere", folder=tmp_path)[:2] == (0, "context/spec/001-elsewhere\n")
    assert specs(project) == ["001-elsewhere"]


def test_a_name_that_is_taken_is_refused(project: Path) -> None:
    create(project, "tides")
    code, said, error = create(project, "tides")
    assert (code, said) == (1, "")
    assert "context/spec/001-tides is there already" in error
    assert specs(project) == ["001-tides"]


@pytest.mark.parametrize("name", ["Tides", "two words", "under_score", "-a", "a-", "a--b", "1-a", "", "../up", "a/b"])
def test_a_name_that_is_not_kebab_case_is_refused(project: Path, name: str) -> None:
    code, _, error = create(project, name)
    assert code == 1 and "is not kebab-case" in error
    assert specs(project) == []


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_it_takes_one_name(project: Path, names: tuple[str, ...]) -> None:
    code, _, error = create(project, *names)
    assert code == 1 and "give one name" in error


def test_the_numbers_end(project: Path) -> None:
    (project / "context/spec/999-last").mkdir(parents=True)
    code, _, error = create(project, "next")
    assert code == 1 and "999" in error
