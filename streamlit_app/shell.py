"""The frame around every page: the menu, and the guard."""

from functools import partial
from pathlib import Path

import streamlit as st

from data_stack.errors import DataStackError
from data_stack.settings import Settings
from streamlit_app import app_pages, guard
from streamlit_app.page import find_pages
from streamlit_app.view import View

FAVICON = Path(__file__).with_name("favicon.svg")


def main() -> None:
    """Draw the page that the URL names."""
    # a file: the browser would fetch a symbol from the network
    st.set_page_config(page_title="data-stack", page_icon=FAVICON, layout="wide")
    try:
        view, found = View(Settings.load()), find_pages(app_pages)
    except DataStackError as error:
        guard.show_error(error)
        return
    st.navigation(
        [
            st.Page(partial(guard.show_page, one, view), title=one.page.title, icon=one.page.icon, url_path=one.name)
            for one in found
        ]
    ).run()
