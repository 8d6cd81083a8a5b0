"""Tables of images: labels, boxes, landmarks, masks."""

from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = ()
