"""Files that annotation tools write next to the images: labelme, VIA, CVAT, Darknet, Label Studio."""

from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = ()
