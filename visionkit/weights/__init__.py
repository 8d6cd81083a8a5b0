"""Readers of foreign weight files that execute nothing."""
