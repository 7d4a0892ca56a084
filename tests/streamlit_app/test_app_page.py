"""Finding pages: a file is a page, and what is wrong with one is named."""

import importlib
import itertools
from pathlib import Path
from types import ModuleType

import pytest

from data_stack.errors import TerminalError
from data_stack.registry import source_names
from streamlit_app import app_pages
from streamlit_app.page import find_pages

PAGE = "from streamlit_app.page import Page\nPAGE = Page(title='{title}', icon='', order={order})\n"
RENDER = "def render(view):\n    pass\n"
NUMBERS = itertools.count(1)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An empty package of pages."""
    name = f"some_pages_{next(NUMBERS)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module(name)


def put(package: ModuleType, name: str, text: str) -> None:
    (Path(package.__path__[0]) / f"{name}.py").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()


def test_pages_come_in_their_stated_order(package: ModuleType) -> None:
    put(package, "b", PAGE.format(title="First", order=1) + RENDER)
    put(package, "a", PAGE.format(title="Second", order=2) + RENDER)
    assert [(found.name, found.page.title) for found in find_pages(package)] == [("b", "First"), ("a", "Second")]


def test_a_new_file_is_a_new_page(package: ModuleType) -> None:
    put(package, "a", PAGE.format(title="First", order=1) + RENDER)
    assert len(find_pages(package)) == 1
    put(package, "b", PAGE.format(title="Second", order=2) + RENDER)
    assert [found.name for found in find_pages(package)] == ["a", "b"]


def test_a_copied_page_comes_after_its_neighbours_by_name(package: ModuleType) -> None:
    for name, order in (("b_copy", 7), ("c", 8), ("b", 7), ("a", 9)):
        put(package, name, PAGE.format(title=name, order=order) + RENDER)
    assert [found.name for found in find_pages(package)] == ["b", "b_copy", "c", "a"]


@pytest.mark.parametrize("text", [RENDER, PAGE.format(title="A", order=1), "PAGE = 'a title'\n" + RENDER])
def test_a_file_that_is_no_page_is_named(package: ModuleType, text: str) -> None:
    put(package, "notes", text)
    with pytest.raises(TerminalError, match=r"notes\.py has no PAGE = Page\(\.\.\.\) or render\(view\)"):
        find_pages(package)


def test_our_pages_name_sources_of_the_registry_and_begin_with_home() -> None:
    pages = find_pages(app_pages)
    assert pages[0].name == "home"
    assert pages[0].page.order < pages[1].page.order
    assert {name for found in pages for name in found.page.sources} <= set(source_names())
