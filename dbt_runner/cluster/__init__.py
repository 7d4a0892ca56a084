"""Our own Spark, for those who have no cluster yet and for the tests: as processes (`make spark`) or in containers."""
