"""From tensors to one number per location, and from maps to numbers: NumPy only, nothing is drawn here."""
