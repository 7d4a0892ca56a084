"""One module per source, with the source's name in the registry; each defines `CHECKS`."""
