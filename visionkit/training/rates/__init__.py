"""Learning rates: optimizers and their schedules, a rate for each stage of a base, and the search for a rate."""
