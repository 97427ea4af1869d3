"""The registry over HTTP: areas, points, meters, installations, gateways."""
