"""What Prometheus sees: the metrics of a registry, served over HTTP and read back as text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import urlopen

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["hit_ratios", "new_registry", "scrape"]


def new_registry() -> CollectorRegistry:
    """A registry with nothing in it: not the one that counts for the whole process."""
    from prometheus_client import CollectorRegistry

    return CollectorRegistry()


def scrape(registry: CollectorRegistry) -> str:
    """Serve the registry on this machine, at a port that is free, and return what a scraper reads there."""
    from prometheus_client import start_http_server

    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            return str(answer.read().decode())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hit_ratios(text: str) -> dict[str, float]:
    r"""Hits over hits and misses of each layer, from a scraped text.

    >>> hit_ratios('cache_hits_total{layer="l1"} 9\ncache_misses_total{layer="l1"} 1\n')
    {'l1': 0.9}
    """
    from prometheus_client.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, sample.labels.get("layer")): sample.value for sample in samples}
    layers = [str(layer) for name, layer in found if name == "cache_hits_total"]
    return {
        layer: found["cache_hits_total", layer]
        / (found["cache_hits_total", layer] + found["cache_misses_total", layer])
        for layer in layers
    }
