"""Built-in data sets, made from images and volumes that come with libraries, or drawn."""
