"""Constants about colors and pixels."""

GREY_SHARES = (0.299, 0.587, 0.114)  # what red, green and blue add to the grey of a pixel: ITU-R BT.601
PADDING = 114  # grey of what lies beyond an image, or is hidden: about the mean of photographs
IGNORE = 255  # in masks and labels of voxels: no class, not learnt from; so is what lies beyond an image
