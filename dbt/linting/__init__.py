"""What sqlfluff needs instead of dbt: it renders a macro that each engine implements as a call of a function."""

from collections.abc import Callable
from functools import partial


def _render_call(name: str, *arguments: object) -> str:
    return f"{name}({', '.join(map(str, arguments))})"


class _Dbt:
    """Stands for dbt's own macros, such as `dbt.dateadd`."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        return (lambda: "varchar") if name.startswith("type_") else partial(_render_call, name)


class _Adapter:
    """Stands for the adapter, whose `dispatch` finds the macro of the engine."""

    def dispatch(self, name: str, namespace: str) -> Callable[..., str]:
        return partial(_render_call, name)


dbt = _Dbt()
adapter = _Adapter()


def env_var(name: str, default: str = "") -> str:
    """Stands for dbt's `env_var`, so that SQL for each name of a list is linted once.

    Args:
        name: The variable.
        default: Its value in dbt where it is not set.
    """
    return default or name.lower()
