"""What bytes mean: sans-IO codecs of the meter protocols, both ways.

Nothing here opens a socket, reads a clock or knows another package of this project.
"""
