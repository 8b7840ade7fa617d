"""Attention modules, each with what it computes as the output of a named submodule."""
