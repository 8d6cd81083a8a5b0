"""The engine of training, whatever the task: options and runs of recipes, phases, checkpoints."""
