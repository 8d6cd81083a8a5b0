"""The content of one image in the style of others."""
