"""Hit-rate curves: what a cache of a given size, or lifetime, gives on a stream of requests."""
