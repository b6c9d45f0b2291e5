"""Comparisons of designs under equal conditions (``gen compare``)."""
