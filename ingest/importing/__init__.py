"""Files of points, meters, readings and weather, checked and taken in."""
