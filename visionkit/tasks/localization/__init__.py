"""One object in an image, or landmarks."""
