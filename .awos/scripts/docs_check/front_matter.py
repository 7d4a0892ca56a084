"""Front matter of Markdown files, read strictly: a tool that reads it leniently skips a broken file without a word."""

from dataclasses import dataclass
from typing import Any

import yaml

FENCE = "---"


class FrontMatterError(ValueError):
    """The front matter cannot be used.

    Args:
        line: Line of the file, from 1.
        message: What is wrong and the remedy.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML itself lets through."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Document:
    """A Markdown file taken apart.

    Attributes:
        fields: The front matter; empty where there is none.
        key_lines: Line of each key in the file, from 1.
        body: The text after the front matter.
        has_front_matter: Whether the file begins with one.
    """

    fields: dict[str, Any]
    key_lines: dict[str, int]
    body: str
    has_front_matter: bool


def split(text: str) -> Document:
    """Take a Markdown file apart.

    Args:
        text: The whole file.

    Raises:
        FrontMatterError: The front matter is not closed, not YAML, or not a mapping of names.
    """
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != FENCE:
        return Document({}, {}, text, False)
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == FENCE), None)
    if end is None:
        raise FrontMatterError(1, "the front matter is not closed; end it with a line of ---")
    fields, key_lines = _parse("".join(lines[1:end]))
    return Document(fields, key_lines, "".join(lines[end + 1 :]), True)


def _parse(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        fields = yaml.load(text, _StrictLoader)  # noqa: S506 - a subclass of SafeLoader
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise FrontMatterError(
            line, f"the front matter is no YAML ({error.problem}); quote the value or mend it"
        ) from None
    except yaml.YAMLError as error:
        raise FrontMatterError(1, f"the front matter is no YAML ({error}); mend it") from None
    if not isinstance(fields, dict) or not isinstance(node, yaml.MappingNode):
        raise FrontMatterError(1, "the front matter is no mapping; write `key: value` lines")
    return fields, {key.value: key.start_mark.line + 2 for key, _ in node.value}


def words(fields: dict[str, Any], key: str) -> list[str]:
    """A field that is a list of texts, or one text with commas.

    Args:
        fields: The front matter.
        key: The field's name.

    Raises:
        FrontMatterError: It is neither.
    """
    value = fields.get(key, [])
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, list) and all(isinstance(word, str) and word for word in value):
        return value
    raise FrontMatterError(1, f"{key} must be a list of texts; write one `- item` a line")
