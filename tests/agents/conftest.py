"""A copy of the repository for each test file, taken back to its first state after each test."""

import sys
from collections.abc import Iterator

import pytest
from agents_support import Tree, copy_of_repository

from data_stack.settings import PROJECT_ROOT

sys.path.insert(0, str(PROJECT_ROOT / ".awos" / "scripts"))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The copy, with what the checks say about it before anything is planted."""
    return copy_of_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def tree(copied: Tree) -> Iterator[Tree]:
    """The copy; what a test changes is undone after it."""
    yield copied
    copied.restore()
