"""Faces: find, align, embed, and search a gallery."""
