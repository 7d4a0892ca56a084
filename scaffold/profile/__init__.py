"""What is in a file or a published table: columns, types by evidence, keys, time zones, drift, and drafts from it.

`read.py` profiles, `model.py` is the result, `page.py` the HTML page, `drift.py` the comparison of two profiles,
`drafts.py` and `draft_suite.py` the texts of a new source.
"""
