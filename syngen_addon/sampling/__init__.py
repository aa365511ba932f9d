"""Recipe, scene and seed to one frame's camera, lights, background, levels and variants, as plain numbers."""
