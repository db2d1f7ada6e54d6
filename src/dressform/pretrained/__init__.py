"""The embedded lay-figure base model and reader, as data."""
