"""Reads the pages and their queries as JSON; in a process of its own, as Streamlit and Plotly take seconds to import.

Run as `python -m scaffold.conformance.pages`.
"""

import importlib
import json
import pkgutil
import re
from collections.abc import Sequence
from typing import Any

from scaffold.conformance.processes import MARK

_IS_QUERY = re.compile(r"^\s*(select|with)\b.*\b(core|marts)\.", re.DOTALL | re.IGNORECASE)


def read(_: Sequence[str]) -> dict[str, Any]:
    """Sources and tables of every page, the SQL of every module of queries, and why they cannot be read."""
    found: dict[str, Any] = {"problem": "", "pages": {}, "queries": {}}
    try:
        from streamlit_app import app_pages
        from streamlit_app.page import find_pages

        for page in find_pages(app_pages):
            found["pages"][page.name] = {"sources": list(page.page.sources), "tables": list(page.page.tables)}
        found["queries"] = _read_queries()
    except Exception as error:
        found["problem"] = f"{type(error).__name__}: {error}"
    return found


def _read_queries() -> dict[str, dict[str, str]]:
    """SQL constants of the modules of `streamlit_app.queries`, by module and name."""
    from streamlit_app import queries

    modules = [
        importlib.import_module(f"{queries.__name__}.{one.name}") for one in pkgutil.iter_modules(queries.__path__)
    ]
    return {
        module.__name__.rpartition(".")[2]: {
            name: value for name, value in vars(module).items() if isinstance(value, str) and _IS_QUERY.match(value)
        }
        for module in modules
    }


if __name__ == "__main__":
    print(MARK + json.dumps(read(())))
