"""Readers of the files that annotation tools write in formats of their own: labelme, VIA, CVAT, Label Studio, CreateML."""
