"""What each role may do. A caller has one role; every door of this module asks here."""

from enum import StrEnum

from data_stack.errors import NotAllowedError
from data_stack.role import Role

__all__ = ["PERMISSIONS", "Permission", "Role", "is_allowed", "require", "require_agent"]


class Permission(StrEnum):
    """Something that a role may do or not."""

    READ_METRICS = "read metrics"
    QUERY_TABLES = "query tables"
    READ_LINEAGE = "read the lineage"
    READ_RUNS = "read runs"
    START_RUNS = "start runs"
    READ_PERSONAL = "read personal data"


_ANALYST = frozenset({Permission.READ_METRICS, Permission.QUERY_TABLES, Permission.READ_LINEAGE})
_ML_ENGINEER = _ANALYST | {Permission.READ_RUNS}
_DATA_ENGINEER = _ML_ENGINEER | {Permission.START_RUNS}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ANALYST: _ANALYST,
    Role.ML_ENGINEER: _ML_ENGINEER,
    Role.DATA_ENGINEER: _DATA_ENGINEER,
    Role.OWNER: _DATA_ENGINEER | {Permission.READ_PERSONAL},
}
"""What each role may do; nothing else decides it."""


def is_allowed(role: Role, permission: Permission) -> bool:
    """Check whether a role has a permission."""
    return permission in PERMISSIONS[role]


def require(role: Role, permission: Permission, reason: str = "") -> None:
    """Stop a caller that may not do what it asks for.

    Args:
        role: Of the caller.
        permission: What it needs.
        reason: Why it needs it, where that is not obvious.

    Raises:
        NotAllowedError: The role does not have the permission; names the roles that do.
    """
    if not is_allowed(role, permission):
        others = ", ".join(other for other, permissions in PERMISSIONS.items() if permission in permissions)
        because = f"{reason}, and " if reason else ""
        raise NotAllowedError(
            f"{because}the role {role} may not {permission}; use a token of a role that may: {others}"
        )


def require_agent(role: Role, agent: Role) -> None:
    """Stop a caller that asks an agent for more than it may do itself.

    Args:
        role: Of the caller.
        agent: The role that the agent would have.

    Raises:
        NotAllowedError: The agent may do something that the caller may not.
    """
    missing = sorted(PERMISSIONS[agent] - PERMISSIONS[role])
    if missing:
        raise NotAllowedError(
            f"the role {role} may not use the agent {agent}, which may {' and '.join(missing)}; "
            f"use a token of the role {agent}"
        )
