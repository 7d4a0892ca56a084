"""Invented data in the providers' formats, and a loopback server that gives it out as they do."""
