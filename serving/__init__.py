"""Answers to programs and agents from the published data; each caller has a role that says what it may do."""
