"""One character on disk, and the actions that the front ends call: the only wiring."""
