"""Readings of meters and consumption of points, as stored and as known on a day."""
