"""What extends the platform: a new source, and the checks that all layers of a source agree."""
