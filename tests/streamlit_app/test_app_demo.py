"""The pages that belong to no source, on the demo."""

import json

import pytest
from app_support import assert_no_failure, open_page, read_text

from data_stack.ops import Ops
from data_stack.registry import SOURCES
from data_stack.settings import Settings

pytestmark = pytest.mark.slow


def test_home_on_the_demo(on_demo: Settings) -> None:
    app = open_page("home")
    assert_no_failure(app)
    assert "The last run, `run` of" in read_text(app) and "succeeded." in read_text(app)
    shown = app.dataframe[0].value
    assert shown["source"].tolist() == [source.title for source in SOURCES]
    assert set(shown["state"]) == {"loaded"}


def test_data_quality_on_the_demo(on_demo: Settings) -> None:
    app = open_page("data_quality")
    assert_no_failure(app)
    ops = Ops(on_demo)
    seconds = ops.query("select sum(seconds) as seconds from steps")[0]["seconds"]
    steps = next(table.value for table in app.dataframe if "detail" in table.value)
    assert steps["seconds"].sum() == pytest.approx(seconds)
    tables = json.loads(ops.query("select tables from publications")[0]["tables"])
    rows = next(table.value for table in app.dataframe if "rows_before" in table.value)
    assert dict(zip(rows["name"], rows["rows"], strict=True)) == tables
    loads = next(table.value for table in app.dataframe if "rows_rejected" in table.value)
    assert (loads["rows_read"] == loads[["rows_loaded", "rows_rejected", "rows_repeated"]].sum(axis=1)).all()
