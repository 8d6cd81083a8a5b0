"""Readers and writers of annotations, one format a file."""
