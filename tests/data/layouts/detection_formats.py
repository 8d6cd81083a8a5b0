"""COCO, Pascal VOC and YOLO, in the forms that people have."""

from tests.data.layouts.layout import Layout

LAYOUTS: tuple[Layout, ...] = ()
