"""Base texture + wear texture -> aged texture. Imports nothing itself; see patch.py."""
