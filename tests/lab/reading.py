"""What a reader sees of an explorer, without a browser."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from cachesim.lab.explorer import Explorer


def rows(html: str) -> dict[str, tuple[str, str]]:
    """The numbers by name: simulated, theory."""
    found = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', html)
    return {unescape(name): (simulated, theory) for name, simulated, theory in found}


def simulated(explorer: Explorer[Any, Any], name: str) -> float:
    """A number as it is shown, without its unit; a percentage as such."""
    return float(rows(explorer.numbers.html)[name][0].rstrip(" %").replace(",", ""))
