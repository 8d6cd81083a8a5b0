"""Writers of annotation files: COCO, Pascal VOC and YOLO."""
