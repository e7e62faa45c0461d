"""Readers of recorded requests."""

from cachesim.traces.files import TraceError
from cachesim.traces.reading import FORMATS, Format, read, read_operations
from cachesim.traces.recorded import read_keys, read_times
from cachesim.traces.records import ANSWERED, READS, WRITES, Notes, Operations, Requests

__all__ = [
    "ANSWERED",
    "FORMATS",
    "READS",
    "WRITES",
    "Format",
    "Notes",
    "Operations",
    "Requests",
    "TraceError",
    "read",
    "read_keys",
    "read_operations",
    "read_times",
]
