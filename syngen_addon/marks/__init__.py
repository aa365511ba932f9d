"""Marks: logos, labels and text on a base texture, found and faded. Pure functions; never bpy."""
