"""Bytes of any protocol become register readings."""
