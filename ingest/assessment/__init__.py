"""From touched readings to new versions of consumption, findings and alerts."""
