"""The names in a Markdown file: code spans, fenced blocks, links, prose and front matter, each with its line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

PLANNED = "(planned)"
_AFTER = re.compile(r"[`)]*\s*\(planned\)")
_FRONT_MATTER = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
_KINDS = {"text": "prose", "code_inline": "code", "link_open": "link"}
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Name:
    """A piece of text that may name something.

    Attributes:
        line: Line of the file, from 1.
        text: The piece without its Markdown marks.
        kind: `prose`, `code`, `link`, `key` or `path` of front matter, or `block LANGUAGE`.
        is_planned: Whether `(planned)` follows: it does not exist yet.
    """

    line: int
    text: str
    kind: str
    is_planned: bool = False


@dataclass
class Document:
    """A Markdown file.

    Attributes:
        path: Path relative to the repository.
        text: The whole file.
    """

    path: str
    text: str

    @property
    def folder(self) -> str:
        """Path of its folder."""
        return self.path.rpartition("/")[0]

    @cached_property
    def headings(self) -> list[str]:
        """Titles of the headings."""
        tokens = _parse(self.text)
        return [inline.content for token, inline in pairwise(tokens) if token.type == "heading_open"]

    @property
    def names(self) -> tuple[Name, ...]:
        """Everything that may name something."""
        return _read_names(self.text)


# by text, as tests check many copies of the same documents
@cache
def _parse(text: str) -> list[Token]:
    return _PARSER.parse(text)


@cache
def _read_names(text: str) -> tuple[Name, ...]:
    names = list(_read_front_matter(text))
    for token in _parse(text):
        if token.type == "fence":
            names += _read_block(token)
        elif token.type == "inline":
            names += _read_inline(token)
    return tuple(names)


def _get_line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _read_block(token: Token) -> Iterator[Name]:
    for number, line in enumerate(token.content.splitlines(), _get_line(token) + 1):
        yield Name(number, line.strip(), f"block {token.info}".strip(), PLANNED in line)


def _read_inline(token: Token) -> Iterator[Name]:
    # the parser turns a line break within a code span into a space, so both texts have the same positions
    text, end = token.content.replace("\n", " "), 0
    for child in token.children or []:
        content = str(child.attrs.get("href", child.content))
        start = max(end, text.find(content, end))
        end = start + len(content) if text.startswith(content, start) else start
        if child.type in _KINDS:
            line = _get_line(token) + token.content.count("\n", 0, start)
            is_planned = child.type != "text" and _AFTER.match(text, end) is not None
            yield Name(line, content, _KINDS[child.type], is_planned)


def _read_front_matter(text: str) -> Iterator[Name]:
    """The paths and the check command of an agent or a rule; linters report front matter that is not YAML."""
    try:
        found = _FRONT_MATTER.match(text)
        node = yaml.compose(found[1]) if found else None
    except yaml.YAMLError:
        return
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        yield Name(key.start_mark.line + 2, key.value, "key")
        if key.value == "check" and isinstance(value, yaml.ScalarNode):
            yield Name(value.start_mark.line + 2, value.value, "code")
        elif key.value in ("owns", "reads", "paths") and isinstance(value, yaml.SequenceNode):
            for item in value.value:
                path, planned, _ = item.value.partition(f" {PLANNED}")
                yield Name(item.start_mark.line + 2, path, "path", bool(planned))
