"""Rule sets: what is checked with which thresholds, tried on history and switched on by two persons."""
