"""The frame around every page: menu, filters in the URL, the guard."""

from functools import partial
from pathlib import Path

import streamlit as st

from data_stack.errors import DataStackError
from data_stack.settings import Settings
from streamlit_app import app_pages, filters, guard
from streamlit_app.page import FoundPage, find_pages
from streamlit_app.view import View

FAVICON = Path(__file__).with_name("favicon.svg")


def main() -> None:
    """Draw the page that the URL names."""
    # a file: the browser would fetch a symbol from the network
    st.set_page_config(page_title="data-stack", page_icon=FAVICON, layout="wide")
    try:
        view = View(Settings.load())
        found = find_pages(app_pages)
    except DataStackError as error:
        guard.fail(error)
        return
    filters.restore()
    pages = [_as_streamlit(one, view) for one in found]
    st.navigation(pages).run()


def _as_streamlit(found: FoundPage, view: View) -> st.Page:
    page = found.page
    return st.Page(partial(guard.show, found, view), title=page.title, icon=page.icon, url_path=found.name)
