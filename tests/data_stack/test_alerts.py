"""Alerts: delivered to a real server, and never a failure of their own."""

from collections.abc import Iterator

import pytest
from webhook_server import Webhook

from data_stack.alerts import send_alert
from data_stack.errors import UsageError
from data_stack.logs import configure_logs
from data_stack.settings import Settings


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        yield server


def test_an_alert_arrives(webhook: Webhook) -> None:
    assert send_alert(Settings.load(alert_webhook_url=webhook.url), "the run failed")
    assert webhook.told == [{"text": "the run failed"}]


def test_without_an_address_nothing_is_sent(settings: Settings) -> None:
    assert not send_alert(settings, "the run failed")


@pytest.mark.parametrize("status", [404, 500, None])
def test_an_alert_that_fails_is_said_without_the_address(
    webhook: Webhook, capsys: pytest.CaptureFixture[str], status: int | None
) -> None:
    configure_logs("WARNING")  # an earlier test may have bound the log to its own output
    webhook.status = status or 200
    url = webhook.url if status else "http://127.0.0.1:9/hook/s3cret"
    assert not send_alert(Settings.load(alert_webhook_url=url), "the run failed")
    said = "".join(capsys.readouterr())
    assert "ALERT_WEBHOOK_URL" in said
    assert str(status or "no answer") in said
    assert "s3cret" not in said


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="ALERT_WEBHOOK_URL"):
        Settings.load(alert_webhook_url="hooks.example")
