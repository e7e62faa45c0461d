"""The simulated world: time, servers, workload, and what is recorded of them."""
