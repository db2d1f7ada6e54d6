"""Who agreed to what, and what is refused whatever was agreed. Knows no pictures and no keys but the one that signs."""
