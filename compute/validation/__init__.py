"""Validation rules V1-V20 and the heat balance H1-H17, one module a family."""
