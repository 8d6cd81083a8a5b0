"""Is this the same person or thing? Distances between embeddings."""
