"""The API keeps what its description says: schemathesis asks it everything that the description permits, and more."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving_support import Api, publish_days

from data_stack.role import Role
from data_stack.settings import Settings

pytestmark = pytest.mark.integration

# examples of each operation; the fast test is to find what every example finds
FAST, SLOW = 2, 20


@pytest.fixture(scope="module")
def contract_api(tmp_path_factory: pytest.TempPathFactory) -> Api:
    folder = tmp_path_factory.mktemp("contract")
    found = Settings.load(data_dir=folder, api_rate_limit="100000/minute")
    publish_days(found)
    return Api(found)


@pytest.fixture(scope="module")
def operations(contract_api: Api) -> list[APIOperation]:
    schema = schemathesis.openapi.from_asgi("/openapi.json", contract_api.app)
    return [found.ok() for found in schema.get_all_operations()]


def ask(operation: APIOperation, mode: GenerationMode, count: int, token: str) -> None:
    """Ask so many examples of an operation, the same in every run, and check each answer."""
    headers = {"Authorization": f"Bearer {token}"}

    @given(case=operation.as_strategy(generation_mode=mode, headers=headers))
    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Case) -> None:
        answer = case.call()
        # that a period begins before its end cannot be said in the description
        reversed_period = answer.status_code == 422 and "the period begins on" in answer.text
        case.validate_response(answer, excluded_checks=[positive_data_acceptance] if reversed_period else [])

    check()


@pytest.mark.parametrize(
    ("mode", "count"),
    [
        (GenerationMode.POSITIVE, FAST),
        pytest.param(GenerationMode.POSITIVE, SLOW, marks=pytest.mark.slow),
        pytest.param(GenerationMode.NEGATIVE, SLOW, marks=pytest.mark.slow),
    ],
)
def test_the_api_does_what_it_describes(
    operations: list[APIOperation], contract_api: Api, mode: GenerationMode, count: int
) -> None:
    assert len(operations) >= 7
    for operation in operations:
        # what is not permitted can only be sent where something is
        if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters:
            ask(operation, mode, count, contract_api.tokens[Role.OWNER])
