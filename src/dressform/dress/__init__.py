"""Composition, sampling, lookbook."""
