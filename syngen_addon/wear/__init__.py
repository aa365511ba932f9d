"""Mesh arrays and a kind of wear in, the onset map out: where wear starts and how it spreads."""
