"""The bundle format, and what every bundle needs."""
