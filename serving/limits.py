"""How many calls a caller may make."""

import math
import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from data_stack.errors import TooManyCallsError


class RateLimit:
    """Counts the calls of each caller in this process.

    Args:
        rate: Such as `120/minute`.
    """

    def __init__(self, rate: str) -> None:
        self._rate = rate.replace("/", " calls per ")
        self._limit = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> None:
        """Count a call.

        Args:
            caller: Who makes it: a token's identifier, or an address.

        Raises:
            TooManyCallsError: The caller made too many; says when the next one is permitted.
        """
        if self._limiter.hit(self._limit, caller):
            return
        reset_time, _ = self._limiter.get_window_stats(self._limit, caller)
        seconds = max(1, math.ceil(reset_time - time.time()))
        raise TooManyCallsError(
            f"the limit is {self._rate} (API_RATE_LIMIT); call again in {seconds} s", retry_after_seconds=seconds
        )
