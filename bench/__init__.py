"""Measurements: how fast, how much, at what size."""
