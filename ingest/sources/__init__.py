"""Where deliveries come from: one module a kind of line."""
