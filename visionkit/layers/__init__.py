"""Keras layers and blocks that families of networks share; they need Keras only."""
