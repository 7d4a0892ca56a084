"""Checks that everything the documents and agent files name exists."""
