"""Okabe and Ito's colours, told apart by every kind of colour vision (https://jfly.uni-koeln.de/color/)."""

from __future__ import annotations

__all__ = ["BLUE", "DARK_VERMILION", "GREY", "SERIES", "VERMILION"]

BLUE, VERMILION = "#0072B2", "#D55E00"
DARK_VERMILION = "#A94A00"
"""For text, which needs more contrast than a line."""
GREY = "#555555"
SERIES = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""One after the other, for lines that also differ in dashes or markers."""
