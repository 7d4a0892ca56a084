"""Logs: readable on a terminal, JSON otherwise; on stderr, so that output can be piped."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Set up structlog for this process.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
    """
    on_terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # the standard error of the moment: pytest and redirections replace it, and close it
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
