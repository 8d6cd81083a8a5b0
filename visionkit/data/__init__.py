"""Readers, augmentation and pipelines: from files to batches."""
