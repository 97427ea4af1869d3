"""Pages for people, over the same functions that the HTTP interface uses."""
