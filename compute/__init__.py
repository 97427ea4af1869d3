"""Numbers: from reading series to validated consumption, findings and billing quantities.

Nothing here does I/O, reads a clock or knows another package of this project.
"""
