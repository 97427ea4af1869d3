"""Stand-ins for hardware: virtual buildings, meters, buses, gateways and their faults."""
