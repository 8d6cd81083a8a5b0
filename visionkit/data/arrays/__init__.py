"""Signals and volumes."""
