"""Weights by name or file: cards, checkpoints of several publishers, loaded exactly or not at all."""
