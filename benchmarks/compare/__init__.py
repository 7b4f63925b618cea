"""Other libraries, one class each; installed by the dependency group `compare`, skipped where absent."""
