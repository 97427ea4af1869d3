"""People and machines: HTTP, console and terminal."""
