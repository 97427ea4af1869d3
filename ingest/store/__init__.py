"""All SQL of the project: functions take a connection, never commit, and write idempotently."""
