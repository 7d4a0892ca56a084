"""Secrets and absolute paths of a machine, in every text file that git tracks or would track."""

import re
from collections.abc import Iterator

from docs_check.repository import Allowed, Finding, Repository

# in code it would be a type or an expression
_UNQUOTED = re.compile(
    r"(?im)^[ \t]*[\w-]*(?:password|passwd|secret|api_?key|token):[ \t]+[^\s\"'${<>(\[{|]{6,}[ \t]*$"
)
_SECRETS = (
    ("an AWS key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    ("a token", re.compile(r"\b(?:gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,})")),
    ("a token", re.compile(r"\b(?:sk-(?:ant-|proj-)?[\w-]{20,}|AIza[\w-]{35}|hf_\w{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.)")),
    (
        "a password",
        re.compile(r"(?i)(?:password|passwd|secret|api_?key|token)[ \t]*[:=][ \t]*([\"'])[^\"'${<>\s]{6,}\1"),
    ),
    (
        "a password",
        re.compile(r"(?im)^[ \t]*(?:export )?[A-Za-z_]*(?:password|passwd|secret|api_?key|token)=[^\"'${<>\s(]{6,}$"),
    ),
    ("a password", _UNQUOTED),
    ("a password", re.compile(r"://[^/\s:@<>${]+:[^/\s:@<>${]{3,}@")),
)
_MACHINE = re.compile(
    r"(?<![\w.:/~*-])(?:/(?:home|Users)/[A-Za-z][\w.-]*|/(?:root|work)/[\w.-]+|[A-Z]:\\Users\\\w+)[\w./-]*"
)
# hashes and addresses of packages
_LOCKS = ("uv.lock",)


def findings(repository: Repository, allowed: Allowed) -> Iterator[Finding]:
    """What must not be in git.

    Args:
        repository: The working copy.
        allowed: Paths that are no machine's own, such as those inside a container.
    """
    for path in repository.files:
        text = (repository.text(path) or "") if path not in _LOCKS else ""
        for start, problem in _problems(path, text, allowed):
            yield Finding(path, text.count("\n", 0, start) + 1, problem)


def _problems(path: str, text: str, allowed: Allowed) -> Iterator[tuple[int, str]]:
    for kind, pattern in _SECRETS:
        if not (pattern is _UNQUOTED and path.endswith(".py")):
            for found in pattern.finditer(text):
                problem = (
                    f"looks like {kind}; remove it, make a new one at its provider, and read it from the environment"
                )
                yield found.start(), problem
    for found in _MACHINE.finditer(text):
        if not allowed.takes(found[0]):
            yield found.start(), f"{found[0]} is a path of one machine; make it relative to the repository"
