"""The sources of the platform: each module defines `SOURCE`, under the name of its file."""
