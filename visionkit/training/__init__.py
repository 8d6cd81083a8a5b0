"""From a model and data to a trained model: phases, resuming, cached features."""
