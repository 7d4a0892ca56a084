"""The key figures of the start page: each module shows those of the source that has its name."""
