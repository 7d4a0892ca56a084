"""What a page declares, and how pages are found."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from data_stack.errors import TerminalError
from streamlit_app.view import View


@dataclass(frozen=True)
class Page:
    """A page, declared as the constant `PAGE` of its module.

    Attributes:
        title: Its name in the menu and its heading.
        icon: A Material symbol, `:material/name:`.
        order: Its place in the menu; pages of the same order come by name. The first one is the start page.
        sources: Names of the sources that must have rows.
        tables: Published tables that must exist, `schema.table`.
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
    render: Callable[[View], None]


def find_pages(package: ModuleType) -> list[FoundPage]:
    """Find the pages of a package, in their order.

    Args:
        package: A package whose modules each have a `PAGE` and a `render(view)`.

    Raises:
        TerminalError: A module has no `PAGE` or `render`; names the file.
    """
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    pages = (_load_page(package, name) for name in names)
    # by name too, so that a copied page needs no order of its own
    return sorted(pages, key=lambda found: (found.page.order, found.name))


def _load_page(package: ModuleType, name: str) -> FoundPage:
    module = importlib.import_module(f"{package.__name__}.{name}")
    page, render = getattr(module, "PAGE", None), getattr(module, "render", None)
    if not isinstance(page, Page) or not callable(render):
        raise TerminalError(
            f"the page {name}.py has no PAGE = Page(...) or render(view); copy app_pages/bike_demand.py"
        )
    return FoundPage(name, page, render)
