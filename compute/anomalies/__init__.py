"""Detectors of what a person should look at, one module a kind.

A detector is one module with

- a frozen dataclass of thresholds, every field with its unit in the name and the catalogue's default;
- one function ``detect(days: Days, limits: Thresholds) -> list[Finding]``: `days` (`compute.days.Days`) holds (p, d)
  arrays of daily figures and what the registry knows of the points; a finding's `point` is the row in those arrays;
- one entry in `compute.engine.ORDER`: ``Rule("name", Thresholds, detect)``. The name is the key of its settings in a
  rule set.

Detectors see only the past of a day when they judge it (no statistics over the whole window), so that a run over a
year and a run over the last days say the same; they are silent where a figure is NaN, where the point is not active,
and where the difference is within the display's steps. Explaining many findings by one cause is the business of
`compute.incidents`.
"""
