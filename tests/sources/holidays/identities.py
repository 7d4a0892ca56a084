"""Corruptions of the golden build that the dbt tests of this source must find, by test; it has none."""

IDENTITIES: dict[str, list[str]] = {}
