"""``visionkit check`` and ``--fix``."""
