"""Pages for people, over the same functions that the HTTP interface uses."""

from api.console.routes import mount

__all__ = ["mount"]
