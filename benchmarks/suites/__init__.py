"""The suites: each module has `LAYOUT`, how its table looks, and `run(bench)`, its records."""
