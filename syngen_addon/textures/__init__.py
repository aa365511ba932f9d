"""Wear textures: how fully developed wear looks, tileable. May import recipe, images, seeds, errors, numpy and cv2."""
