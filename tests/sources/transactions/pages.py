"""Rows of transactions for the tests of the pages."""

from datetime import date

ROWS = {"core.fct_transactions": [{"transaction_id": "a", "date": date(2024, 1, 31)}]}
