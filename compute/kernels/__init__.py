"""Numba kernels: flat arrays in, arrays out."""
