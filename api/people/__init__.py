"""People: log in and out, who may come in, and the log of what they decided."""
