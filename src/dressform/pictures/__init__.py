"""Intake of pictures: decoding, checks, masks, captions."""
