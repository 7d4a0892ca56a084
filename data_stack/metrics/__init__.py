"""The metrics: what may be asked, and the door that answers from the published file."""
