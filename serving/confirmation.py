"""Starting a run: an agent only asks for it, and the caller confirms it in the same conversation.

No model takes part in a confirmation: the text of the caller is compared with what was asked.
"""

import re
import secrets
import time
from dataclasses import dataclass, field

from serving.roof import RunRequest

CONFIRM_SECONDS = 300
"""Within which a run is confirmed."""
DECLINE = "No, start nothing"

_CONFIRMATION = re.compile(r"\(confirm [0-9a-f]{16}\)")


@dataclass(frozen=True)
class PendingRun:
    """A run that waits for its confirmation.

    Attributes:
        request: What would be run.
        confirmation: The prompt that starts it.
    """

    request: RunRequest
    confirmation: str
    _asked_at: float = field(default_factory=time.monotonic)

    @classmethod
    def ask(cls, request: RunRequest) -> "PendingRun":
        """A new one, with a confirmation that nobody can guess."""
        return cls(request, f"Yes, start {request.describe()} (confirm {secrets.token_hex(8)})")

    def is_confirmed_by(self, prompt: str) -> bool:
        """Whether a prompt is the confirmation, in time."""
        in_time = time.monotonic() - self._asked_at < CONFIRM_SECONDS
        return in_time and secrets.compare_digest(prompt.strip().encode(), self.confirmation.encode())


def is_confirmation(prompt: str) -> bool:
    """Whether a prompt has the form of a confirmation, of whatever run."""
    return _CONFIRMATION.search(prompt) is not None
