"""Reads a finished dataset, ours or another's, and says what is wrong with it."""
