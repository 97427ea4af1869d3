"""Reports of a month or quarter, for areas and customers."""
