"""Figures, changes, tables and charts as people read them."""

import csv
import io
import json
from datetime import date

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from data_stack.palette import BLUE, GREY, PALETTE
from streamlit_app import charts, formats
from streamlit_app.elements import Change, format_difference


@pytest.mark.parametrize(
    ("value", "before", "change", "text"),
    [
        (150, 100, "relative", "+50.0 %"),
        (50, 100, "relative", "-50.0 %"),
        (99.99, 100, "relative", "0.0 %"),
        (0, 100, "relative", "-100.0 %"),
        (5, 0, "relative", None),
        (5, -10, "relative", None),
        (None, 1, "relative", None),
        (1, None, "share", None),
        (0.815, 0.8, "share", "+1.5 percentage points"),
        (-2.0, 3.5, "temperature", "-5.5 °C"),
    ],
)
def test_changes(value: float | None, before: float | None, change: Change, text: str | None) -> None:
    assert format_difference(value, before, change) == text


def test_numbers_days_and_times() -> None:
    assert [formats.format_number(1234567), formats.format_number(0.25, 1), formats.format_number(None)] == [
        "1,234,567",
        "0.2",
        "-",
    ]
    assert [formats.format_share(0.8155), formats.format_share(None)] == ["81.5 %", "-"]
    assert [formats.format_money(-1234.5), formats.format_temperature(-0.25)] == ["-1,234.50", "-0.2 °C"]
    assert [formats.format_day(date(2024, 2, 3)), formats.format_day(None)] == ["3 Feb 2024", "-"]
    assert formats.format_month(date(2024, 2, 1)) == "Feb 2024"
    assert [formats.format_time("2024-02-03 04:05:06.789"), formats.format_time(None)] == ["3 Feb 2024 04:05 UTC", "-"]


def test_texts_of_others_are_not_read_as_markdown() -> None:
    assert formats.escape_markdown("a *b* [c](d) <e> $f$ :red[g] `h`") == (
        r"a \*b\* \[c\](d) \<e\> \$f\$ \:red\[g\] \`h\`"
    )


def test_a_table_downloads_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = []
    monkeypatch.setattr("streamlit.download_button", lambda label, data, name, *_, **__: downloads.append((name, data)))

    def script() -> None:
        import polars as pl

        from streamlit_app.elements import show_table

        frame = pl.DataFrame({"station": ["A, B", "Ü"], "trips": [1200, None]})
        show_table(frame, "stations", "Stations", {"trips": "Trips (all)"})

    app = AppTest.from_function(script).run()
    assert not app.exception
    ((name, data),) = downloads
    assert name == "stations.csv"
    assert list(csv.reader(io.StringIO(data))) == [["station", "trips"], ["A, B", "1200"], ["Ü", ""]]
    assert app.dataframe[0].value["trips"].tolist()[0] == 1200


def test_labels_and_formats_of_a_table_come_from_its_columns() -> None:
    def script() -> None:
        from datetime import date, datetime

        import polars as pl

        from streamlit_app.elements import show_table

        row = {
            "load_id": "a",
            "loaded_at_utc": datetime(2024, 1, 2, 3, 4),
            "data_through": date(2024, 1, 2),
            "is_complete": True,
            "rows": 1200,
            "rejected_share": 0.5,
            "amount": 1.5,
            "hidden": 1,
        }
        show_table(pl.DataFrame([row]), "loads", "Loads", {"amount": "Amount (USD)", "hidden": None}, decimals=2)

    app = AppTest.from_function(script).run()
    assert not app.exception
    columns = json.loads(app.dataframe[0].proto.columns)
    assert {name: column.get("label") for name, column in columns.items() if name != "_index"} == {
        "load_id": "Load",
        "loaded_at_utc": "Loaded (UTC)",
        "data_through": "Data through",
        "is_complete": "Complete",
        "rows": "Rows",
        "rejected_share": "Rejected share",
        "amount": "Amount (USD)",
        "hidden": None,
    }
    assert columns["hidden"]["hidden"] is True
    formats = {name: column.get("type_config", {}).get("format") for name, column in columns.items()}
    assert (formats["rows"], formats["rejected_share"], formats["amount"]) == ("%,.0f", "percent", "%,.2f")
    assert (formats["loaded_at_utc"], formats["data_through"]) == ("D MMM YYYY HH:mm", "D MMM YYYY")


def test_every_series_has_its_colour_and_the_unknown_is_grey() -> None:
    frame = pl.DataFrame({"x": [1, 2], "a": [1.0, None], "b": [3.0, 4.0]})
    figure = charts.draw_stacked_bars(
        frame, "x", {"Members": "a", "Unknown": "b"}, "Hour", "Trips per hour", ",.1f trips"
    )
    assert [trace.marker.color for trace in figure.data] == [BLUE, GREY]
    assert figure.data[0].hovertemplate == "%{y:,.1f} trips"
    assert list(figure.data[0].y) == [1.0, None]
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("Hour", "Trips per hour")
    many = charts.draw_lines(frame, "x", {str(number): "a" for number in range(7)}, "", "", ",.0f")
    assert len({trace.line.color for trace in many.data}) == len(PALETTE)


def luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("background", ["#ffffff", "#171614"])
@pytest.mark.parametrize("colour", PALETTE)
def test_colours_stand_out_on_light_and_dark(colour: str, background: str) -> None:
    lighter, darker = sorted((luminance(colour), luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3
