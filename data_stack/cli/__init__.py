"""The `data-stack` command."""

from data_stack.cli.app import main

__all__ = ["main"]
