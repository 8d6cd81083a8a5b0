"""What is drawn at random for an epoch, and what it does to a sample."""
