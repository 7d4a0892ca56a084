"""A value per personal column of transactions that is found wherever it appears."""

from sources.transactions.provider import bank_row

CANARIES = {
    "name": "Canary Bakery",
    "amount": "86753.09",
    "tags": "canary-tag",
    "note": "canary-note",
    "account": "Canary Account",
    "account_mask": "0777",
    "recurring": "Canary Lease",
}


def canary_row(day: str, **changed: str) -> str:
    values = CANARIES | changed
    return bank_row(day, values.pop("name"), values.pop("amount"), **values)
