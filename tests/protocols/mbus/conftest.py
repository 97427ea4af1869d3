"""Property tests on shared machines: an example's wall time says nothing, the suite's own time limit does."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
