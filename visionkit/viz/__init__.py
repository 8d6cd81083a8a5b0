"""Drawings, figures and pages; nothing of a single task."""
