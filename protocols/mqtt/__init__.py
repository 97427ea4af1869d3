"""MQTT payload families, one module each."""
