"""What a page says of itself, and how pages are found."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

from data_stack.errors import TerminalError
from streamlit_app.view import View

Render = Callable[[View], None]


@dataclass(frozen=True)
class Page:
    """A page, declared as the constant `PAGE` of its module.

    Attributes:
        title: Its name in the menu and its heading.
        icon: A Material symbol, `:material/name:`.
        order: Its place in the menu; the first one is the start page.
        sources: Names of the sources without whose rows the page has nothing to show.
        tables: Published tables without which it cannot be shown, `schema.table`.
        needs_warehouse: Whether it has nothing to show before the first publication.
    """

    title: str
    icon: str
    order: int
    sources: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    needs_warehouse: bool = True


@dataclass(frozen=True)
class FoundPage:
    """A page with its name in the URL and the function that draws it."""

    name: str
    page: Page
    render: Render


def find_pages(package: ModuleType) -> list[FoundPage]:
    """The pages of a package, in their order.

    Args:
        package: A package whose modules each have a `PAGE` and a `render(view)`.

    Raises:
        TerminalError: A module has no `PAGE` or `render`, or two pages have one order; names the files.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found = sorted((_load(package, name) for name in names), key=lambda one: one.page.order)
    for one, next_one in pairwise(found):
        if one.page.order == next_one.page.order:
            raise TerminalError(
                f"the pages {one.name}.py and {next_one.name}.py both have order {one.page.order}; change one of them"
            )
    return found


def _load(package: ModuleType, name: str) -> FoundPage:
    module = importlib.import_module(f"{package.__name__}.{name}")
    page, render = getattr(module, "PAGE", None), getattr(module, "render", None)
    if not isinstance(page, Page) or not callable(render):
        raise TerminalError(f"the page {name}.py lacks PAGE = Page(...) or render(view); copy app_pages/bike_demand.py")
    return FoundPage(name, page, render)
