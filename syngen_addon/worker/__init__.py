"""The process that holds torch, and what speaks with it.

protocol, client and environment run in Blender and import the standard library, errors and files only; every other
module here runs in the worker's own Python.
"""
