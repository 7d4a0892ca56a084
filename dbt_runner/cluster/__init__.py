"""Spark as processes of this machine, for those who have no cluster yet and for the tests: `make spark`."""
