"""The entry of Bank transactions in the registry."""

from data_stack.source import Source

SOURCE = Source(
    "transactions",
    "Bank transactions",
    table="transactions",
    key="transaction_id",
    replaces=("batch",),
    fact="core.fct_transactions",
    day="date",
    has_window=False,
    personal_columns=frozenset({"name", "amount", "tags", "note", "account", "account_mask", "recurring"}),
)
