"""What adapters learn, one objective a file."""
