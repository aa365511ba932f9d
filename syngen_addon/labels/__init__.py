"""Label layers of one rendered frame to its record."""
