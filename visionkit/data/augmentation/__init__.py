"""Augmentation: the random parameters of an epoch, and how they change a sample."""
