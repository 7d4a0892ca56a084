"""The gate on the weather provider's real answer."""

import json
from datetime import datetime

import pytest
from gate_cases import LOAD
from raw_builder import build_raw
from real_files import REAL_FILES, needs_real_files

from data_quality.runner import validate
from data_stack.ops import Ops
from data_stack.registry import get_source
from data_stack.settings import Settings


@pytest.mark.slow
@needs_real_files
def test_the_real_weather_passes(settings: Settings) -> None:
    (path,) = REAL_FILES.glob("open_meteo/*.json")
    answer = json.loads(path.read_text())
    hourly = answer["hourly"]
    times = [datetime.fromisoformat(time) for time in hourly.pop("time")]
    hours = [
        {"place_id": "here", "hour_utc": time, **{name: values[n] for name, values in hourly.items()}}
        for n, time in enumerate(times)
    ]
    build_raw(settings, "weather", {"hours": hours}, LOAD)
    ops = Ops(settings)
    (report,) = validate(settings, ops, "run", get_source("weather"))
    assert report.failures == []
    (null_share,) = ops.query("select * from validations where column_name = 'null_share'")
    assert null_share["checked"] == len(hourly), "variables without any value are not checked"
