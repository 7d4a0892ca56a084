"""Tokens: made once, stored as hashes, refused once they are expired or revoked."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from records import change_records

from data_stack.errors import NotAuthenticatedError, NotFoundError, TerminalError, UsageError
from data_stack.ops import Ops, utc_now
from data_stack.role import Role
from data_stack.serving_client import ServingClient
from data_stack.settings import Settings
from orchestration.cli.app import execute
from serving.tokens import DAYS_MAX, Caller, authenticate, create_token, keep_pages_token, revoke_token


@pytest.fixture
def ops(settings: Settings) -> Ops:
    return Ops(settings)


def reason(ops: Ops, token: str | None) -> str:
    with pytest.raises(NotAuthenticatedError) as refused:
        authenticate(ops, token)
    return str(refused.value)


@pytest.mark.parametrize("role", Role)
def test_a_token_has_the_role_that_it_was_made_for(ops: Ops, role: Role) -> None:
    token, record = create_token(ops, role, 1, "a notebook")
    assert authenticate(ops, token) == Caller(record.token_id, role)
    assert (record.name, record.role) == ("a notebook", role)


def test_only_the_hash_of_the_secret_is_stored(ops: Ops) -> None:
    token, record = create_token(ops, Role.OWNER, 1)
    secret = token.removeprefix(f"ds_{record.token_id}_")
    assert len(secret) == 43
    assert record.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.encode() not in b"".join(
        path.read_bytes() for path in ops.store.path.parent.iterdir() if path.is_file()
    )
    assert secret not in repr(record)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token + "A",
        lambda token: token[:-1],
        lambda token: token.replace("ds_", "ds_0"),
        lambda token: token.replace(token[3:11], "0" * 8),
        lambda token: token.upper(),
        lambda token: f"{token}\n",
        lambda token: "' or 1=1 --",
        lambda token: "é" * 55,
    ],
)
def test_another_token_is_not_known(ops: Ops, change: Callable[[str], str]) -> None:
    token, _ = create_token(ops, Role.OWNER, 1)
    assert reason(ops, change(token)) == "the token is not known; make a new one with `data-stack api token create`"


def test_the_secret_of_another_token_does_not_fit(ops: Ops) -> None:
    (analyst, of_analyst), (owner, of_owner) = create_token(ops, Role.ANALYST, 1), create_token(ops, Role.OWNER, 1)
    assert reason(ops, analyst.replace(of_analyst.token_id, of_owner.token_id)).startswith("the token is not known")
    assert authenticate(ops, owner).role is Role.OWNER


@pytest.mark.parametrize("token", [None, ""])
def test_a_call_without_a_token_is_told_how_to_send_one(ops: Ops, token: str | None) -> None:
    assert "send the header Authorization: Bearer TOKEN" in reason(ops, token)


def test_an_expired_token_is_refused(ops: Ops) -> None:
    token, record = create_token(ops, Role.ANALYST, 2)
    assert utc_now(timedelta(days=1.99)) < record.expires_at_utc < utc_now(timedelta(days=2.01))
    change_records(ops, "update api_tokens set expires_at_utc = ?", [(utc_now(timedelta(seconds=-1)),)])
    assert re.match(rf"the token {record.token_id} expired on \d{{4}}-\d\d-\d\d; make a new one", reason(ops, token))


def test_a_revoked_token_is_refused_and_keeps_its_first_time(ops: Ops) -> None:
    token, record = create_token(ops, Role.ANALYST, 2)
    other, _ = create_token(ops, Role.ANALYST, 2)
    revoke_token(ops, record.token_id)
    assert f"the token {record.token_id} was revoked on " in reason(ops, token)
    first = ops.find_token(record.token_id)
    revoke_token(ops, record.token_id)
    assert ops.find_token(record.token_id) == first
    assert authenticate(ops, other).role is Role.ANALYST


def read_pages_token(settings: Settings) -> str:
    return settings.pages_token_file.read_text().strip()


def test_the_pages_have_a_token_that_only_the_owner_of_the_folder_reads(ops: Ops, settings: Settings) -> None:
    keep_pages_token(ops, settings.pages_token_file)
    assert authenticate(ops, read_pages_token(settings)).role is Role.OWNER
    assert settings.pages_token_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in settings.ops_dir.iterdir() if path.name.endswith(".new")] == []


def test_the_token_of_the_pages_stays_until_it_is_of_no_use(ops: Ops, settings: Settings) -> None:
    def keep() -> str:
        keep_pages_token(ops, settings.pages_token_file)
        return read_pages_token(settings)

    first = keep()
    assert keep() == first
    revoke_token(ops, authenticate(ops, first).token_id)
    second = keep()
    assert second != first
    change_records(ops, "update api_tokens set expires_at_utc = ?", [(utc_now(timedelta(days=29)),)])
    third = keep()
    assert third != second
    settings.pages_token_file.write_bytes("é".encode())
    fourth = keep()
    assert [authenticate(ops, token).role for token in (third, fourth)] == [Role.OWNER, Role.OWNER]
    assert len(ops.list_tokens()) == 4


def test_a_token_that_cannot_be_written_is_named(ops: Ops, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"cannot be written to token in the data folder \(No such file"):
        keep_pages_token(ops, tmp_path / "nowhere" / "token")


def test_a_page_asks_with_the_token_of_its_folder_or_of_the_settings(ops: Ops, settings: Settings) -> None:
    def key(**changed: str) -> tuple[str, str]:
        return ServingClient.of(Settings.load(**changed)).key

    without, another = ServingClient(settings.api_url, None).key, "another"
    assert key() == without
    keep_pages_token(ops, settings.pages_token_file)
    assert key() == ServingClient(settings.api_url, read_pages_token(settings)).key != without
    assert key(api_token=another) == ServingClient(settings.api_url, another).key
    # an API elsewhere does not get what opens this one
    assert key(api_base_url="http://elsewhere") == ServingClient("http://elsewhere", None).key


def test_what_cannot_be_used_is_named(ops: Ops) -> None:
    with pytest.raises(UsageError, match=f"cannot be valid for 0 days; choose 1 to {DAYS_MAX}"):
        create_token(ops, Role.ANALYST, 0)
    with pytest.raises(UsageError, match="at most 80 printable characters"):
        create_token(ops, Role.ANALYST, 1, "two\nlines")
    with pytest.raises(NotFoundError, match="there is no token 'nobody'; `data-stack api token list`"):
        revoke_token(ops, "nobody")
    assert ops.list_tokens() == []


def test_the_commands_make_list_and_revoke(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["api", "token", "list"]) == 0
    assert "no token yet" in capsys.readouterr().out
    assert not settings.ops_dir.exists()
    assert execute(["api", "token", "create", "--role", "data_engineer", "--days", "3", "--name", "the page Ask"]) == 0
    made = capsys.readouterr()
    token = made.out.strip()
    assert authenticate(Ops(settings), token).role is Role.DATA_ENGINEER
    token_id = token.split("_")[1]
    assert f"for the role data_engineer, valid until {utc_now(timedelta(days=3))[:10]}" in made.err
    assert f"`data-stack api token revoke {token_id}` ends it" in made.err
    assert execute(["api", "token", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(text in listed for text in (token_id, "the page Ask", "data_engineer", "valid until"))
    assert token not in listed
    assert execute(["api", "token", "revoke", token_id]) == 0
    capsys.readouterr()
    assert execute(["api", "token", "list"]) == 0
    assert f"revoked on {utc_now()[:10]}" in capsys.readouterr().out


def test_a_role_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["api", "token", "create", "--role", "admin"]) == 2
    assert "analyst" in capsys.readouterr().err
