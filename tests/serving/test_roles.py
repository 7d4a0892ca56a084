"""What each role may do, and the message for what it may not."""

import pytest

from data_stack.errors import NotAllowedError
from serving.roles import PERMISSIONS, Permission, Role, is_allowed, require, require_agent


def test_every_role_has_a_row_and_every_permission_an_owner() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.OWNER] == set(Permission)


def test_only_the_owner_reads_personal_data() -> None:
    assert [role for role in Role if is_allowed(role, Permission.READ_PERSONAL)] == [Role.OWNER]


def test_only_those_who_run_the_platform_start_runs() -> None:
    assert {role for role in Role if is_allowed(role, Permission.START_RUNS)} == {Role.DATA_ENGINEER, Role.OWNER}


def test_a_refusal_names_the_role_what_it_asked_and_who_may() -> None:
    with pytest.raises(NotAllowedError) as refused:
        require(Role.ANALYST, Permission.READ_RUNS)
    assert str(refused.value) == (
        "the role analyst may not read runs; use a token of a role that may: ml_engineer, data_engineer, owner"
    )
    require(Role.ML_ENGINEER, Permission.READ_RUNS)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("agent", Role)
def test_an_agent_never_may_more_than_its_caller(role: Role, agent: Role) -> None:
    if PERMISSIONS[agent] <= PERMISSIONS[role]:
        require_agent(role, agent)
    else:
        with pytest.raises(NotAllowedError, match=f"the role {role} may not use the agent {agent}, which may "):
            require_agent(role, agent)


def test_an_analyst_asks_the_analyst_only() -> None:
    require_agent(Role.ANALYST, Role.ANALYST)
    with pytest.raises(NotAllowedError, match="data_engineer, which may read runs and start runs; use a token of"):
        require_agent(Role.ANALYST, Role.DATA_ENGINEER)
