"""Settings of the property tests of ingestion."""

from hypothesis import settings

# a deadline per example fails on a busy machine and says nothing about the code
settings.register_profile("data-stack", deadline=None)
settings.load_profile("data-stack")
