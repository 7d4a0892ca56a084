"""Fixtures of the API."""

import pytest
from serving_support import Api

from data_stack.settings import Settings


@pytest.fixture
def api(settings: Settings) -> Api:
    return Api(settings)
