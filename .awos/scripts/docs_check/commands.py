"""Find `make` targets and `data-stack` commands and options that do not exist."""

import re
from collections.abc import Iterator
from typing import Any

from docs_check.catalogue import Catalogue, Missing

_SEPARATOR = re.compile(r"\s*(?:&&|\|\||[|;#])\s*")
_PREFIX = re.compile(r"^(?:(?:\$|time|sudo|exec|!|[A-Z_][A-Z0-9_]*=\S*)\s+)*(?:\.venv/bin/)?")
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_OPTION = re.compile(r"--[a-z][a-z-]*")
# accepted before and after every command
_GLOBAL_OPTIONS = ("--debug", "--help")


def find_missing_commands(catalogue: Catalogue, text: str) -> Iterator[Missing]:
    """Check a command line.

    Args:
        catalogue: What exists.
        text: A code span or a line of a fenced block.
    """
    for part in _SEPARATOR.split(text):
        program, *words = _PREFIX.sub("", part).split() or [""]
        if program == "make":
            yield from _find_missing_targets(catalogue, words)
        elif program == "data-stack":
            yield from _find_missing_command(catalogue.command, words, program)
        # documents shorten `data-stack transform --full-refresh`, but `airflow` is also a program of its own
        elif program in catalogue.command.commands and program != "airflow" and any(map(_OPTION.fullmatch, words)):
            yield from _find_missing_command(catalogue.command, [program, *words], "data-stack")


def _find_missing_targets(catalogue: Catalogue, words: list[str]) -> Iterator[Missing]:
    for word in words:
        if not _WORD.fullmatch(word):
            return
        if word not in catalogue.targets:
            yield Missing("make target", word, catalogue.targets)


def _find_missing_command(command: Any, words: list[str], name: str) -> Iterator[Missing]:
    """Follow the words down to a command, then check the options that come after it."""
    while words and hasattr(command, "commands") and _WORD.fullmatch(words[0]):
        if words[0] not in command.commands:
            yield Missing("command", f"{name} {words[0]}", [f"{name} {known}" for known in command.commands])
            return
        command, name, words = command.commands[words[0]], f"{name} {words[0]}", words[1:]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.strip("[]").partition("=")[0]
        if _OPTION.fullmatch(option) and option not in options.union(_GLOBAL_OPTIONS):
            yield Missing("option", f"{name} {option}", [f"{name} {known}" for known in sorted(options)])
