"""The search for hyperparameters: what is searched, one trial, and the study of many."""
