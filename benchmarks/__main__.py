"""Run benchmarks and print their figures: `python -m benchmarks [NAME]...`; without a name, all.

Each runs in a process of its own, so that none finds memory that another has used.
"""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = {
    "throughput": "benchmarks.throughput",
    "long-run": "benchmarks.long_run",
    "curves": "benchmarks.curves",
    "explorers": "benchmarks.explorers",
    "sweeps": "benchmarks.sweeps",
    "races": "benchmarks.races",
}


def main(names: list[str]) -> int:
    """Run the benchmarks of these names, one after the other; returns an exit status."""
    for name in names:
        if name not in BENCHMARKS:
            sys.stderr.write(f"{name!r} is no benchmark; there are {', '.join(BENCHMARKS)}\n")
            return 2
    for name in names or BENCHMARKS:
        subprocess.run([sys.executable, "-m", BENCHMARKS[name]], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
