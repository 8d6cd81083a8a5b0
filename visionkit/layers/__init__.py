"""Blocks and layers that families of networks share; Keras alone."""
