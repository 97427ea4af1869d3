"""What leaves in bulk, and in which formats."""
