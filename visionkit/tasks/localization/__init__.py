"""One object in an image, or its landmarks."""
