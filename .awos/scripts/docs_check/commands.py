"""`make` and `data-stack` command lines in documents."""

import re
from collections.abc import Iterator
from typing import Any

from docs_check.inventory import Inventory

_PART = re.compile(r"\s*(?:&&|\|\||[|;#])\s*")
_ASSIGNMENT = re.compile(r"^[A-Z_][A-Z0-9_]*=")
_TARGET = re.compile(r"[a-z][a-z0-9-]*")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_OPTION = re.compile(r"--[a-z][a-z-]*")
_WRAPPERS = ("$", "time", "sudo", "exec", "!")
# commands of ours that are also programs of their own: without `data-stack` before it, the program is meant
_PROGRAMS = frozenset({"airflow"})
# understood before and after every command, see orchestration/cli/app.py
_EVERYWHERE = frozenset({"--debug", "--help"})


def problems(inventory: Inventory, text: str) -> Iterator[str]:
    """What a command line names that does not exist, each with its remedy.

    Args:
        inventory: What there is.
        text: A code span or a line of a fenced block.
    """
    for part in _PART.split(text):
        words = _words(part)
        if not words:
            continue
        program = words[0].removeprefix(".venv/bin/")
        if program == "make":
            yield from _make(inventory, words[1:])
        elif program == "data-stack":
            yield from _cli(inventory.cli, words[1:], program)
        elif program in inventory.cli.commands.keys() - _PROGRAMS and any(
            _OPTION.fullmatch(word) for word in words[1:]
        ):
            yield from _cli(inventory.cli, words, "data-stack")


def _words(part: str) -> list[str]:
    words = part.split()
    while words and (words[0] in _WRAPPERS or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    return words


def _make(inventory: Inventory, words: list[str]) -> Iterator[str]:
    for word in words:
        if not _TARGET.fullmatch(word):
            return
        if word not in inventory.targets:
            yield f"the Makefile has no target {word}; add it or name one of `make help`"


def _cli(group: Any, words: list[str], path: str) -> Iterator[str]:
    """Walk down the commands, then look at the options of the one that was reached."""
    command = group
    for index, word in enumerate(words):
        if not hasattr(command, "commands") or not _NAME.fullmatch(word):
            yield from _options(command, words[index:], path)
            return
        if word not in command.commands:
            yield f"`{path}` has no command {word}; it has {', '.join(sorted(command.commands))}"
            return
        command, path = command.commands[word], f"{path} {word}"


def _options(command: Any, words: list[str], path: str) -> Iterator[str]:
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.strip("[]").partition("=")[0]
        if _OPTION.fullmatch(option) and option not in known | _EVERYWHERE:
            yield f"`{path}` has no option {option}; see `{path} --help`"
