"""Measurements, in ratios that one run can support."""
