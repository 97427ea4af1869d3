"""The `heatbook` command: one module a group of commands."""
