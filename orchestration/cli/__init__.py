"""The `data-stack` command."""

from orchestration.cli.app import main

__all__ = ["main"]
