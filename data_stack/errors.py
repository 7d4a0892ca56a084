"""Errors that reach the user: each names the thing, the place and the remedy."""


class DataStackError(Exception):
    """A failure that is explained in one sentence; the command line prints it and exits with 1."""


class TransientError(DataStackError):
    """A failure that may pass by itself (time-out, 429, 5xx): callers retry it."""


class TerminalError(DataStackError):
    """A failure that stays until somebody acts: callers do not retry it."""


class LockHeldError(TransientError):
    """Another process holds the resource."""


class LockLostError(TransientError):
    """The connection that held a resource was lost, so another process may have used it meanwhile."""


class LakeUnavailableError(TransientError):
    """The storage of the lake does not answer, or not as it should; what does not need the lake goes on without it."""


class GateFailedError(TerminalError):
    """A critical expectation failed, so the load is held back."""


class HeldBackError(TerminalError):
    """Sources are held back; what could be loaded of the others is published."""


class UsageError(DataStackError):
    """Wrong arguments or settings; the command line exits with 2."""


class NotAllowedError(UsageError):
    """The caller's role does not permit what it asks for."""


class NotAuthenticatedError(UsageError):
    """The caller has no valid token."""


class NotFoundError(UsageError):
    """There is nothing of the name that the caller gave."""


class TooManyCallsError(TransientError):
    """The caller made more calls than a limit permits.

    Args:
        message: What the limit is, and when to call again.
        retry_after_seconds: When the next call is permitted.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class MetricError(UsageError):
    """A question that the metrics do not answer: an unknown name, or a period that a metric does not have."""


class QueryRefusedError(UsageError):
    """A statement that the warehouse does not answer, as it is not allowed, not understood, too slow or too large."""
