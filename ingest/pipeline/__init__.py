"""The one way of deliveries into the store."""
