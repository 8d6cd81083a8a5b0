"""Files and images of a data set that no reader used."""
