"""The technician's room: comms board, reading now, commissioning, exchange, hand-entered readings, routes,
campaigns."""
