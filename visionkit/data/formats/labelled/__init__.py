"""Readers of images with one label each, in the layouts of well-known data sets; and what speaks against class folders."""
