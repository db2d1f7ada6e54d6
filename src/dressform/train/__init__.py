"""Training: configuration, data, objective, loop, checkpoint, events."""
