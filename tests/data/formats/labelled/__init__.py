"""Tests of the readers of labelled images."""
