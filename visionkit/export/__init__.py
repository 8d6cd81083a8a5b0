"""From a trained model to a folder that can be shipped."""
