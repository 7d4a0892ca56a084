"""Writes the files that list settings and sources, so that a new source adds no line by hand.

They are `.env.example`, `docs/settings.md`, `docs/sources.md` and the settings of `docker-compose.yml`; in the first
and the last, the rest is written by hand and stays. `docs/new-source.md` has the places of a source, `docs/metrics.md`
the metrics. `make generate` writes them, `make docs-check` compares.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic.fields import FieldInfo

from data_stack.registry import SOURCES
from data_stack.settings import PROJECT_ROOT, BaseStackSettings, Settings
from scaffold.metric_reference import render_metrics
from scaffold.places import describe_places

_WIDTH = 120
# a volume, and a port that is published by the service
_NOT_IN_CONTAINERS = {"DATA_DIR", "AIRFLOW_PORT", "API_PORT", "MCP_PORT"}
_TABLE_HEAD = """\
# Settings

Written by `make generate` from the settings classes. Settings come from the environment or `.env` (copy
`.env.example`); an empty value counts as unset.
"""
_SOURCES_HEAD = """\
# Sources

Written by `make generate` from `data_stack/sources/`. A load replaces the earlier rows that have the same values in the
columns named here, once it has passed its gate.

| source | what it is | published fact | a load replaces by | days it loads by default | personal raw columns |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Variable:
    """One setting.

    Attributes:
        name: The environment variable.
        default: As it is written in `.env`; empty where there is none.
        meaning: What it means, one sentence without a full stop.
        is_path: It is a path of the host, which a container reaches through a mount only.
    """

    name: str
    default: str
    meaning: str
    is_path: bool

    @property
    def mount(self) -> str:
        """Where a container has the path."""
        return f"/app/inputs/{self.name.lower().removesuffix('_path')}"


def list_variables() -> dict[str, list[Variable]]:
    """The settings by section: the platform's, then those of each source."""
    from dlt_pipeline.reader import find_reader

    classes: dict[str, type[BaseStackSettings]] = {"the platform": Settings}
    classes |= {source.name: find_reader(source.name).settings_class for source in SOURCES}
    return {section: list(_read_class(settings)) for section, settings in classes.items()}


def _read_class(settings: type[BaseStackSettings]) -> Iterator[Variable]:
    for name, (field, info) in zip(settings.variables(), settings.model_fields.items(), strict=True):
        if not info.description:
            raise ValueError(f"{settings.__name__}.{field} has no description; add one with Field(description=...)")
        default = "" if info.default is None else str(info.default)
        yield Variable(name, default, info.description, _is_path(info))


def _is_path(info: FieldInfo) -> bool:
    return Path in (info.annotation, *get_args(info.annotation))


def write_reference(root: Path = PROJECT_ROOT) -> list[str]:
    """Write the files again.

    Args:
        root: The checkout.

    Returns:
        Paths of the files that have changed, relative to `root`.
    """
    changed = find_stale_reference(root)
    for path, text in changed.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def find_stale_reference(root: Path = PROJECT_ROOT) -> dict[str, str]:
    """What the files should contain, by path, where they differ from it."""
    sections = list_variables()
    wanted = {path: render(root / path, sections) for path, render in _FILES.items()}
    return {
        path: text
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    }


def _render_example(path: Path, sections: dict[str, list[Variable]]) -> str:
    lines = []
    for section, variables in sections.items():
        lines.append(f"# -- {section} ".ljust(_WIDTH, "-"))
        for variable in variables:
            lines += textwrap.wrap(f"{variable.meaning}.", _WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"# {variable.name}={variable.default}")
        lines.append("")
    text = path.read_text(encoding="utf-8")
    head, tail = text[: text.index("# -- ")], text[text.index("# -- containers ") :]
    return head + "\n".join(lines) + "\n" + tail


def _render_table(path: Path, sections: dict[str, list[Variable]]) -> str:
    parts = [_TABLE_HEAD]
    for section, variables in sections.items():
        if variables:
            rows = [
                f"| `{variable.name}` | {f'`{variable.default}`' if variable.default else ''} | {variable.meaning} |"
                for variable in variables
            ]
            head = f"## {section[0].upper()}{section[1:]}\n\n| variable | default | meaning |\n|---|---|---|"
            parts.append("\n".join([head, *rows, ""]))
    return "\n".join(parts)


def _render_sources(_path: Path, _sections: dict[str, list[Variable]]) -> str:
    rows = []
    for source in SOURCES:
        own = "its own" if source.has_window else "all that it finds"
        days = f"the days of {source.days_of}" if source.days_of else own
        personal = ", ".join(f"`{name}`" for name in sorted(source.personal_columns))
        replaces = ", ".join(f"`{name}`" for name in source.replaces)
        rows.append(f"| `{source.name}` | {source.title} | `{source.fact}` | {replaces} | {days} | {personal} |")
    return "\n".join([_SOURCES_HEAD, *rows, ""])


def _render_compose(path: Path, sections: dict[str, list[Variable]]) -> str:
    variables = [one for listed in sections.values() for one in listed if one.name not in _NOT_IN_CONTAINERS]
    settings = [f"  {one.name}: ${{{one.name}:{f'+{one.mount}' if one.is_path else '-'}}}" for one in variables]
    mounts = [_render_mount(one) for one in variables if one.is_path]
    block = [
        "x-settings: &settings",
        *settings,
        "x-pipeline-volumes: &pipeline-volumes",
        *["  - *data", "  - *parsed", *mounts],
        "x-scheduler-volumes: &scheduler-volumes",
        *["  - *data", "  - *parsed", "  - *logs", *mounts],
    ]
    begin, end = "# begin: written by `make generate`\n", "# end: written by `make generate`\n"
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: begin + "\n".join(block) + "\n" + end, text)


def _render_mount(variable: Variable) -> str:
    """A path of the host, which is only read; nothing is mounted while the variable is unset."""
    return (
        f'  - {{ type: bind, source: "${{{variable.name}:-/dev/null}}", target: {variable.mount}, read_only: true, '
        "bind: { create_host_path: false } }"
    )


_FILES: dict[str, Callable[[Path, dict[str, list[Variable]]], str]] = {
    ".env.example": _render_example,
    "docs/settings.md": _render_table,
    "docs/sources.md": _render_sources,
    "docker-compose.yml": _render_compose,
    "docs/new-source.md": lambda _path, _sections: describe_places(),
    "docs/metrics.md": lambda path, _sections: render_metrics(path.parents[1]),
}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` name those that are out of date; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only name the files that are out of date")
    if not parser.parse_args(arguments).check:
        sys.stdout.writelines(f"wrote {path}\n" for path in write_reference())
        return 0
    stale = find_stale_reference()
    sys.stderr.writelines(f"{path} is out of date; run `make generate`\n" for path in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
