"""Readers of recorded requests."""

from cachesim.traces.recorded import TraceError, read_keys, read_times

__all__ = ["TraceError", "read_keys", "read_times"]
