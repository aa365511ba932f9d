"""Candidate texture -> verdict. Imports nothing itself; see judge.py."""
