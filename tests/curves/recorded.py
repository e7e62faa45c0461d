"""Recorded streams, where they lie beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cachesim.traces import read


def recorded(name: str) -> NDArray[np.int64]:
    """The keys of a stream, as integers; skips the test where there are no streams."""
    if "CACHESIM_TRACES" not in os.environ:
        pytest.skip("recorded requests lie beside the checkout")
    path = Path(os.environ["CACHESIM_TRACES"]) / f"{name}.trace.xz"
    return np.concatenate([np.asarray(piece.keys, np.int64) for piece in read(path)])
