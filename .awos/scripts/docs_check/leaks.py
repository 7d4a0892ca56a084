"""Find secrets and absolute paths of a machine in every file that git tracks or would track."""

import re
from collections.abc import Iterator
from functools import cache

_KEY = r"(?:password|passwd|secret|api_?key|token)"
# in Python, an unquoted `name: text` is a type
_UNQUOTED = re.compile(rf"(?im)^[ \t]*[\w-]*{_KEY}:[ \t]+[^\s\"'${{<>(\[{{|]{{6,}}[ \t]*$")
_SECRETS = (
    ("an AWS key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    (
        "a token",
        re.compile(
            r"\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|ds_[0-9a-f]{8}_[\w-]{43}|xox[abprs]-[\w-]{10,})"
        ),
    ),
    ("a token", re.compile(r"\b(?:sk-(?:ant-|proj-)?[\w-]{20,}|AIza[\w-]{35}|hf_\w{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.)")),
    ("a password", re.compile(rf"(?i){_KEY}[ \t]*[:=][ \t]*([\"'])[^\"'${{<>\s]{{6,}}\1")),
    ("a password", re.compile(rf"(?im)^[ \t]*(?:export )?[A-Za-z_]*{_KEY}=[^\"'${{<>\s(]{{6,}}$")),
    ("a password", re.compile(r"://[^/\s:@<>${]+:[^/\s:@<>${]{3,}@")),
    ("a password", _UNQUOTED),
)
_MACHINE_PATH = re.compile(
    r"(?<![\w.:/~*-])(?:/(?:home|Users)/[A-Za-z][\w.-]*|/(?:root|work)/[\w.-]+|[A-Z]:\\Users\\\w+)[\w./-]*"
)


# by text, as tests check many copies of the same files
@cache
def find_leaks(path: str, text: str) -> tuple[tuple[int, str], ...]:
    """Find what must not be in git: line and message of each.

    Args:
        path: The file, relative to the repository.
        text: Its content.
    """
    return tuple(_find_leaks(path, text))


def _find_leaks(path: str, text: str) -> Iterator[tuple[int, str]]:
    for kind, pattern in _SECRETS:
        for found in pattern.finditer(text) if pattern is not _UNQUOTED or not path.endswith(".py") else ():
            remedy = "revoke it, remove it, and read the new one from the environment"
            yield text.count("\n", 0, found.start()) + 1, f"looks like {kind}; {remedy}"
    for found in _MACHINE_PATH.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield line, f"{found[0]} is a path of one machine; make it relative to the repository"
