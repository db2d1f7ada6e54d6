"""A procedural world of mannequin dolls with exact ground truth."""
