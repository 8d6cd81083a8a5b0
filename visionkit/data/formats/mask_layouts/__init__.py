"""Where the images and the masks of a data set lie, by the names and the contents of its folders."""
