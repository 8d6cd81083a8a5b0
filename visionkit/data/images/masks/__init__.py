"""Masks: what their values mean, decided once for a data set, and their reading."""
