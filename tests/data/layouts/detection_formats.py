"""COCO, Pascal VOC and YOLO, in the forms that people have."""

from pathlib import Path

import numpy as np

from tests.data.layouts.layout import Layout, boxes_in_pixels, image, text, tree
from visionkit.data.splits import DataSet

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
SIZE = "<size><width>120</width><height>80</height><depth>3</depth></size>"
CENTERED = "0.333333 0.5 0.166667 0.5"  # x 30 to 50, y 20 to 60


def coco(file_names: list[str]) -> dict:
    """A COCO tree with one cat in each image."""
    images = [{"id": n, "file_name": name, "width": 120, "height": 80} for n, name in enumerate(file_names)]
    return {
        "images": images,
        "annotations": [{"id": n, "image_id": n, "category_id": 7, "bbox": [30, 20, 20, 40 + n]} for n in range(len(images))],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
    }


def xml(path: Path, filename: str) -> None:
    """A VOC annotation of one cat."""
    cat = f"<object><name>cat</name><difficult>0</difficult>{BOX.format(30, 20, 50, 60)}</object>"
    text(path, f"<annotation><filename>{filename}</filename>{SIZE}{cat}</annotation>")


def one_cat(split: str, name: str, box: tuple[int, int, int, int] = (30, 20, 50, 60)):
    """What ``Layout.verify`` asserts: the objects of one image."""

    def verify(data_set: DataSet) -> None:
        assert boxes_in_pixels(data_set, split, name) == [("cat", *box)]

    return verify


def coco_2017(folder: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        names = [f"{split}_{n:012}.jpg" for n in range(count)]
        for name in names:
            image(folder / f"{split}2017" / name)
        tree(folder / "annotations" / f"instances_{split}2017.json", coco(names))


def label_studio_coco(folder: Path) -> None:
    names = [f"{n:02}-cat.jpg" for n in range(3)]
    for name in names:
        image(folder / "images" / name)
    tree(folder / "result.json", coco([f"..\\..\\label-studio\\media\\upload\\4\\{name}" for name in names]))


def voc_with_lists(folder: Path) -> None:
    for n in range(4):
        image(folder / "JPEGImages" / f"{n}.jpg")
        xml(folder / "Annotations" / f"{n}.xml", f"{n}.jpg")
    text(folder / "ImageSets" / "Main" / "train.txt", "0\n1\n2\n")
    text(folder / "ImageSets" / "Main" / "val.txt", "3\n")


def voc_beside(folder: Path) -> None:
    for n in range(3):
        image(folder / f"{n}.jpg")
        xml(folder / f"{n}.xml", f"C:\\images\\{n}.jpg")


def voc_in_splits(folder: Path) -> None:
    for split, count in (("train", 3), ("val", 2)):
        for n in range(count):
            image(folder / "images" / split / f"{split}{n}.jpg")
            xml(folder / "annotations" / split / f"{split}{n}.xml", f"{split}{n}.jpg")


def fiftyone(folder: Path) -> None:
    for n in range(3):
        image(folder / "data" / f"{n}.jpg")
    tree(folder / "labels.json", coco([f"{n}.jpg" for n in range(3)]))


def voc_wrapped(folder: Path) -> None:
    (folder / "export").mkdir()
    voc_beside(folder / "export")


def voc_copied(folder: Path) -> None:
    for n in range(3):
        image(folder / "JPEGImages" / f"{n}.jpg")
        xml(folder / "Annotations" / f"{n}.xml", "0.jpg")


def yolo(images: str, labels: str, line: str = f"0 {CENTERED}\n", config: str = ""):
    """A builder of three training and two validation images, whose folders contain {} for the split."""

    def build(folder: Path) -> None:
        for split, count in (("train", 3), ("val", 2)):
            for n in range(count):
                image(folder / images.format(split) / f"{split}_{n}.jpg")
                text(folder / labels.format(split) / f"{split}_{n}.txt", line)
        if config:
            text(folder / "data.yaml", config)
        else:
            text(folder / "classes.txt", "cat\ndog\n")

    return build


IN_SPLITS = "train: images\\train\nval: images\\val\nnames: [cat, dog]\n"
POSE = f"0 {CENTERED} 0.3 0.4 2 0.4 0.4 2 0.333333 0.6 1\n"
OUTLINE = "0 0.25 0.25 0.416667 0.25 0.416667 0.75 0.333333 0.5 0.25 0.75\n"
YOLO_SPLITS = {"train": 3, "val": 2}


def posed(data_set: DataSet) -> None:
    one_cat("train", "train_0.jpg")(data_set)
    points = [[0.3, 0.4, 2], [0.4, 0.4, 2], [0.333333, 0.6, 1]]
    np.testing.assert_allclose(data_set.splits["val"].annotations[0].objects.keypoints, [points])


def outlined(data_set: DataSet) -> None:
    one_cat("train", "train_0.jpg")(data_set)
    (outline,) = data_set.splits["val"].annotations[0].objects.outlines
    assert len(outline[0]) == 5


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "COCO",
        "Boxes",
        "A JSON file of each split in `annotations/`, and the images in a folder that is named like the split.",
        coco_2017,
        "COCO (instances_train2017.json, instances_val2017.json)",
        YOLO_SPLITS,
        ("cat", "dog"),
        one_cat("val", "val_000000000001.jpg", (30, 20, 50, 61)),
    ),
    Layout(
        "COCO, exported by Label Studio",
        "Boxes",
        "One JSON file whose paths are those of another computer; images are found by the last part of their paths.",
        label_studio_coco,
        "COCO (result.json)",
        {"all": 3},
        ("cat", "dog"),
        one_cat("all", "00-cat.jpg"),
    ),
    Layout(
        "COCO, exported by FiftyOne",
        "Boxes",
        "`labels.json`, and the images in `data/`.",
        fiftyone,
        "COCO (labels.json)",
        {"all": 3},
        ("cat", "dog"),
        one_cat("all", "1.jpg", (30, 20, 50, 61)),
    ),
    Layout(
        "Pascal VOC",
        "Boxes",
        "An XML file of each image in `Annotations/`, the images in `JPEGImages/`, and the splits in `ImageSets/Main/`.",
        voc_with_lists,
        "Pascal VOC (Annotations/)",
        {"train": 3, "val": 1},
        ("cat",),
        one_cat("val", "3.jpg"),
    ),
    Layout(
        "Pascal VOC, XML files next to the images",
        "Boxes",
        "An XML file next to each image, as LabelImg writes it.",
        voc_beside,
        "Pascal VOC (.xml next to images)",
        {"all": 3},
        ("cat",),
        one_cat("all", "2.jpg"),
    ),
    Layout(
        "Pascal VOC, a folder for each split",
        "Boxes",
        "XML files in `annotations/train/` and `annotations/val/`, and images in folders of the same names in `images/`.",
        voc_in_splits,
        "Pascal VOC (annotations/train/)",
        YOLO_SPLITS,
        ("cat",),
        one_cat("val", "val1.jpg"),
    ),
    Layout(
        "Pascal VOC in a single folder",
        "Boxes",
        "A folder around images and their annotations is entered, if it is the only one and a reader knows what is in it.",
        voc_wrapped,
        "Pascal VOC (.xml next to images)",
        {"all": 3},
        ("cat",),
        one_cat("all", "2.jpg"),
    ),
    Layout(
        "Pascal VOC, copied XML files",
        "Boxes",
        "Where several XML files name the same image, each belongs to the image of its own name; `visionkit check` says so.",
        voc_copied,
        "Pascal VOC (Annotations/)",
        {"all": 3},
        ("cat",),
        one_cat("all", "2.jpg"),
        frozenset(["unclear layout"]),
    ),
    Layout(
        "YOLO with data.yaml",
        "Boxes",
        "`data.yaml` names the classes and the folders of images, and `images` in their paths becomes `labels`.",
        yolo("images/{}", "labels/{}", config=IN_SPLITS),
        "YOLO (data.yaml)",
        YOLO_SPLITS,
        ("cat", "dog"),
        one_cat("val", "val_1.jpg"),
    ),
    Layout(
        "YOLO without data.yaml",
        "Boxes",
        "Images in `images/train/` and labels in `labels/train/`, with the class names in `classes.txt`.",
        yolo("images/{}", "labels/{}"),
        "YOLO (images/, labels/)",
        YOLO_SPLITS,
        ("cat", "dog"),
        one_cat("val", "val_1.jpg"),
    ),
    Layout(
        "YOLO, one folder per split",
        "Boxes",
        "Images in `train/images/` and labels in `train/labels/`, as Roboflow writes them.",
        yolo("{}/images", "{}/labels", config="train: ../train/images\nval: ../val/images\nnc: 2\nnames: ['cat', 'dog']\n"),
        "YOLO (data.yaml)",
        YOLO_SPLITS,
        ("cat", "dog"),
        one_cat("val", "val_1.jpg"),
    ),
    Layout(
        "YOLO with keypoints",
        "Boxes",
        "Each line is a box and its keypoints, as many as `kpt_shape` in `data.yaml` says.",
        yolo("images/{}", "labels/{}", POSE, IN_SPLITS + "kpt_shape: [3, 3]\n"),
        "YOLO (data.yaml)",
        YOLO_SPLITS,
        ("cat", "dog"),
        posed,
    ),
    Layout(
        "YOLO with keypoints, without kpt_shape",
        "Boxes",
        "Lines that can only be a box and keypoints are read as such, and `visionkit check` asks for `kpt_shape`.",
        yolo("images/{}", "labels/{}", POSE, IN_SPLITS),
        "YOLO (data.yaml)",
        YOLO_SPLITS,
        ("cat", "dog"),
        posed,
        frozenset(["unclear layout"]),
    ),
    Layout(
        "YOLO with outlines",
        "Boxes",
        "Each line is the outline of an object; its box is the extent of the outline, and masks are drawn for segmentation.",
        yolo("images/{}", "labels/{}", OUTLINE, IN_SPLITS),
        "YOLO (data.yaml)",
        YOLO_SPLITS,
        ("cat", "dog"),
        outlined,
    ),
)
