"""Where logs go."""

import contextlib
import io
import json
from collections.abc import Iterator

import pytest
import structlog

from data_stack.logs import configure_logs


@pytest.mark.usefixtures("_keep_logs")
def test_a_log_goes_to_the_standard_error_of_the_moment() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as first:
        configure_logs("INFO")
        structlog.get_logger().info("one")
    first.close()
    with contextlib.redirect_stderr(io.StringIO()) as second:
        structlog.get_logger().info("two", rows=3)
    written = json.loads(second.getvalue())
    assert (written["event"], written["rows"], written["level"]) == ("two", 3, "info")


@pytest.fixture
def _keep_logs() -> Iterator[None]:
    """Leave the logs of other tests as they are."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
