"""How long whole runs take, compared with a floor of hand-written SQL on the same data: `make bench`."""
