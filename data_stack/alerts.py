"""Messages about failed runs, sent to a webhook."""

import structlog

from data_stack.settings import Settings

TIMEOUT_SECONDS = 10

_log = structlog.get_logger()


def send_alert(settings: Settings, text: str) -> bool:
    """Post `{"text": ...}` to `ALERT_WEBHOOK_URL`, as chat services expect it; without the setting nothing is sent.

    A failed delivery must not hide the failure that it reports, so nothing is raised.

    Args:
        settings: The webhook.
        text: What happened; never a value of a row.

    Returns:
        Whether it was delivered. If not, a log line says so, without the URL, which may be a secret.
    """
    if settings.alert_webhook_url is None:
        return False
    import requests

    try:
        requests.post(settings.alert_webhook_url, json={"text": text}, timeout=TIMEOUT_SECONDS).raise_for_status()
    except requests.RequestException as error:
        answer = error.response.status_code if error.response is not None else "no answer"
        _log.error("the alert was not delivered; check ALERT_WEBHOOK_URL", answer=answer, error=type(error).__name__)
        return False
    return True
