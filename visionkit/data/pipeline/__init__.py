"""From an index to batches."""
