"""The shared floor: what every module imports, and which imports no module."""
