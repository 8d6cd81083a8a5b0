"""One label for an image, a signal or a volume."""
