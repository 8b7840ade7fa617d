"""Attention modules, networks built with them, and where their weights come from."""
