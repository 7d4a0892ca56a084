"""One module a source, named as in the registry; each holds `CHECKS`."""
