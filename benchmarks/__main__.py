"""Run every benchmark and print its figures: `python -m benchmarks`."""

from benchmarks import throughput

if __name__ == "__main__":
    throughput.main()
