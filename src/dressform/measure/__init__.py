"""Readers, separation figures, reports."""
