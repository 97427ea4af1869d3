"""Detectors of what a person should look at, one module a kind."""
