"""The shared floor: settings, source registry, locks, run records, publishing and the command line."""
