"""Checks of a data set, and a cleaned copy of its index: ``visionkit check`` and ``--fix``."""
