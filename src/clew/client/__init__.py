"""What users hold: `Index`, `AsyncIndex` and `ResumableQuery`."""
