"""Tokens of the API: shown once, stored as a hash, expiring and revocable.

A token is `ds_ID_SECRET`. The identifier finds its record, and the hash of the secret is compared in constant time.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from data_stack.errors import NotAuthenticatedError, NotFoundError, TerminalError, UsageError
from data_stack.ops import Ops, TokenRecord, new_id, utc_now
from data_stack.role import Role

DAYS_MAX = 366
"""Days that a token may be valid."""

_TOKEN = re.compile(r"ds_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NAME_MAX = 80
_RENEWED_BEFORE_DAYS = 30
_REMEDY = "make a new one with `data-stack api token create`"


@dataclass(frozen=True)
class Caller:
    """Who calls: a valid token.

    Attributes:
        token_id: Its identifier.
        role: What it may do.
    """

    token_id: str
    role: Role


def create_token(ops: Ops, role: Role, days: int, name: str = "") -> tuple[str, TokenRecord]:
    """Make a token.

    Args:
        ops: Where its hash is recorded.
        role: What it may do.
        days: How long it is valid.
        name: What it is for.

    Returns:
        The token, which nothing can show again, and its record.

    Raises:
        UsageError: The days or the name cannot be used.
    """
    if not 1 <= days <= DAYS_MAX:
        raise UsageError(f"a token cannot be valid for {days} days; choose 1 to {DAYS_MAX}")
    if len(name) > _NAME_MAX or not name.isprintable():
        raise UsageError(f"the name of a token has at most {_NAME_MAX} printable characters; choose a shorter one")
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    record = TokenRecord(token_id, name, role, _hash(secret), utc_now(), utc_now(timedelta(days=days)))
    ops.record_token(record)
    return f"ds_{token_id}_{secret}", record


def authenticate(ops: Ops, token: str | None) -> Caller:
    """Find out who calls.

    Args:
        ops: The recorded tokens.
        token: What the caller gave; None if nothing.

    Returns:
        The caller.

    Raises:
        NotAuthenticatedError: There is no such token, or it is not valid any more; says which, never the token itself.
    """
    if not token:
        raise NotAuthenticatedError(
            "the call has no token; send the header Authorization: Bearer TOKEN, with a token made by "
            "`data-stack api token create`"
        )
    found = _TOKEN.fullmatch(token)
    record = ops.find_token(found[1]) if found else None
    if not found or not record or not hmac.compare_digest(record.secret_sha256, _hash(found[2])):
        raise NotAuthenticatedError(f"the token is not known; {_REMEDY}")
    if record.revoked_at_utc:
        raise NotAuthenticatedError(
            f"the token {record.token_id} was revoked on {record.revoked_at_utc[:10]}; {_REMEDY}"
        )
    if is_expired(record):
        raise NotAuthenticatedError(f"the token {record.token_id} expired on {record.expires_at_utc[:10]}; {_REMEDY}")
    return Caller(record.token_id, Role(record.role))


def keep_pages_token(ops: Ops, path: Path) -> None:
    """Keep a valid token in a file, so that pages on the same machine need no set-up.

    It has the role of the owner, as who reads the data folder can read all that it may read.

    Args:
        ops: Where its hash is recorded.
        path: `Settings.pages_token_file`; written so that only its owner may read it.

    Raises:
        TerminalError: The file cannot be written.
    """
    if _is_usable(ops, path):
        return
    token, _ = create_token(ops, Role.OWNER, DAYS_MAX, "the pages of this data folder")
    new = path.with_name(f".{path.name}.{new_id()}.new")
    try:
        new.touch(mode=0o600)
        new.write_text(f"{token}\n", encoding="ascii")
        new.replace(path)
    except OSError as error:
        raise TerminalError(
            f"the token of the pages cannot be written to {path.name} in the data folder ({error.strerror}); "
            "make the folder writable"
        ) from error


def _is_usable(ops: Ops, path: Path) -> bool:
    try:
        caller = authenticate(ops, path.read_text(encoding="ascii", errors="ignore").strip())
    except (OSError, NotAuthenticatedError):
        return False
    record = ops.find_token(caller.token_id)
    return record is not None and record.expires_at_utc > utc_now(timedelta(days=_RENEWED_BEFORE_DAYS))


def is_expired(record: TokenRecord) -> bool:
    """Check whether a token has passed its time."""
    return record.expires_at_utc <= utc_now()


def revoke_token(ops: Ops, token_id: str) -> None:
    """Make a token invalid from now on.

    Args:
        ops: The recorded tokens.
        token_id: Its identifier.

    Raises:
        NotFoundError: There is no such token.
    """
    if ops.find_token(token_id) is None:
        raise NotFoundError(f"there is no token {token_id!r}; `data-stack api token list` shows all tokens")
    ops.revoke_token(token_id)


def _hash(secret: str) -> str:
    # a plain hash is enough: a secret of 32 random bytes cannot be guessed
    return hashlib.sha256(secret.encode()).hexdigest()
