"""Meter profiles: one TOML file a device, with samples made by our own encoders."""
