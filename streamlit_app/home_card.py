"""What a source shows on the start page, and how it is found."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source
from streamlit_app.data import Warehouse
from streamlit_app.filters import Period
from streamlit_app.view import View


@dataclass(frozen=True)
class HomeCard:
    """The key figures of a source on the start page.

    Attributes:
        source: The source.
        render: Draws them for the chosen days; the days are None where no card has days.
        get_bounds: Gets the first and the last day that it can show, and raises NothingToShowError if there is none;
            None if its figures do not depend on the chosen days.
    """

    source: Source
    render: Callable[[View, Period | None], None]
    get_bounds: Callable[[Warehouse], Period] | None


def find_cards(package: ModuleType) -> list[HomeCard]:
    """Find the cards of the registered sources, in the order of the registry.

    Args:
        package: A package with a module per source; a source without one has no key figures.

    Raises:
        TerminalError: A module has no `render`; names the file.
    """
    names = {module.name for module in pkgutil.iter_modules(package.__path__)}
    return [_load_card(package, source) for source in SOURCES if source.name in names]


def _load_card(package: ModuleType, source: Source) -> HomeCard:
    module = importlib.import_module(f"{package.__name__}.{source.name}")
    render = getattr(module, "render", None)
    if not callable(render):
        raise TerminalError(
            f"streamlit_app/home_cards/{source.name}.py has no render(view, period); copy that of another source"
        )
    return HomeCard(source, render, getattr(module, "get_bounds", None))
