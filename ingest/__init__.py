"""I/O, time and the database: sources, pipeline, store, assessment runs."""
