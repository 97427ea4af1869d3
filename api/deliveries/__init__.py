"""The door for raw bytes: deliveries pushed by HTTP, quarantine, discovered meters."""
