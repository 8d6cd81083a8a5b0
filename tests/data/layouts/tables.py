"""Tables of images: labels, boxes, landmarks, masks."""

from pathlib import Path

import numpy as np

from tests.data.layouts.layout import Layout, boxes_in_pixels, image, mask, text
from visionkit.data.splits import DataSet


def images(folder: Path, names: str) -> None:
    """Write one image for each letter."""
    for name in names:
        image(folder / f"{name}.jpg")


def label_sets(data_set: DataSet, split: str) -> list[set[str]]:
    """The labels of each image."""
    index = data_set.splits[split]
    assert set(index.labels.tolist()) == {-1}
    return [{index.class_names[i] for i in np.flatnonzero(row)} for row in index.label_sets]


def labels(data_set: DataSet, split: str) -> dict[str, str]:
    """The label of each image by its name."""
    index = data_set.splits[split]
    return {Path(path).name: index.class_names[label] for path, label in zip(index.paths, index.labels, strict=True)}


def breeds(folder: Path) -> None:
    images(folder / "train", "abcd")
    images(folder / "test", "ef")
    text(folder / "labels.csv", "id,breed\na,pug\nb,boxer\nc,pug\nd,boxer\n")
    text(folder / "sample_submission.csv", "id,boxer,pug\ne,0.5,0.5\nf,0.5,0.5\n")


def verify_breeds(data_set: DataSet) -> None:
    assert labels(data_set, "all") == {"a.jpg": "pug", "b.jpg": "boxer", "c.jpg": "pug", "d.jpg": "boxer"}
    assert any("sample_submission.csv is not used" in note for note in data_set.notes)
    assert data_set.left_out == "2 in test/"


def images_and_labels(folder: Path) -> None:
    images(folder / "images", "abcd")
    text(folder / "labels.csv", "image,label\na.jpg,cat\nb.jpg,dog\nc.jpg,cat\nd.jpg,dog\n")


def verify_images_and_labels(data_set: DataSet) -> None:
    assert labels(data_set, "all") == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat", "d.jpg": "dog"}


def index_column(folder: Path) -> None:
    for number in range(6):
        image(folder / "images" / f"{number}.jpg")
    text(folder / "train.csv", ",image,label\n0,3.jpg,cat\n1,2.jpg,dog\n2,1.jpg,cat\n3,0.jpg,dog\n")
    text(folder / "val.csv", ",image,label\n4,5.jpg,cat\n5,4.jpg,dog\n")


def verify_index_column(data_set: DataSet) -> None:
    assert labels(data_set, "train") == {"3.jpg": "cat", "2.jpg": "dog", "1.jpg": "cat", "0.jpg": "dog"}
    assert labels(data_set, "val") == {"5.jpg": "cat", "4.jpg": "dog"}


def paths_name_splits(folder: Path) -> None:
    rows = ["train/a.jpg,cat", "train/b.jpg,dog", "train/c.jpg,cat", "train/d.jpg,dog", "valid/e.jpg,cat", "valid/f.jpg,dog"]
    for row in rows:
        image(folder / row.partition(",")[0])
    text(folder / "labels.csv", "\n".join(["image,label", *rows]))


def verify_paths_name_splits(data_set: DataSet) -> None:
    assert labels(data_set, "train") == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat", "d.jpg": "dog"}
    assert labels(data_set, "val") == {"e.jpg": "cat", "f.jpg": "dog"}


def one_hot(folder: Path) -> None:
    images(folder / "images", "abcd")
    text(folder / "train.csv", "image,healthy,rust,scab\na,1,0,0\nb,0,1,0\nc,0,0,1\nd,0,0,1\n")


def verify_one_hot(data_set: DataSet) -> None:
    assert labels(data_set, "train") == {"a.jpg": "healthy", "b.jpg": "rust", "c.jpg": "scab", "d.jpg": "scab"}


def roboflow_multilabel(folder: Path) -> None:
    for split, rows in (("train", ["1, 0", "0, 1", "1, 1", "0, 0"]), ("valid", ["1, 1", "0, 1"])):
        names = [f"{split}_{number}_jpg.rf.0123.jpg" for number in range(len(rows))]
        for name in names:
            image(folder / split / name)
        lines = [f"{name}, {row}" for name, row in zip(names, rows, strict=True)]
        text(folder / split / "_classes.csv", "\n".join(["filename, cat, dog", *lines]))


def verify_roboflow_multilabel(data_set: DataSet) -> None:
    assert label_sets(data_set, "train") == [{"cat"}, {"dog"}, {"cat", "dog"}, set()]
    assert label_sets(data_set, "val") == [{"cat", "dog"}, {"dog"}]


def tags(folder: Path) -> None:
    images(folder / "train-jpg", "abcd")
    text(folder / "train_v2.csv", "image_name,tags\na,clear water\nb,haze\nc,clear road water\nd,haze road\n")


def verify_tags(data_set: DataSet) -> None:
    assert label_sets(data_set, "train") == [{"clear", "water"}, {"haze"}, {"clear", "road", "water"}, {"haze", "road"}]


def findings(folder: Path) -> None:
    for number, name in enumerate("abcd"):
        image(folder / f"images_00{number // 2 + 1}" / "images" / f"{name}.png")
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,OriginalImage[Width,Height]\n"
    rows = ("a.png,Mass|Nodule,0,1,58,M", "b.png,Mass,1,1,58,M", "c.png,No Finding,0,2,60,F", "d.png,Nodule,1,2,60,F")
    text(folder / "Data_Entry_2017.csv", header + "".join(f"{row},120,80\n" for row in rows))


def verify_findings(data_set: DataSet) -> None:
    assert label_sets(data_set, "all") == [{"Mass", "Nodule"}, {"Mass"}, {"No Finding"}, {"Nodule"}]


def attributes(folder: Path) -> None:
    images(folder / "img_align_celeba" / "img_align_celeba", "abc")
    text(folder / "list_attr_celeba.csv", "image_id,Bald,Smiling\na.jpg,-1,1\nb.jpg,1,1\nc.jpg,-1,-1\n")


def verify_attributes(data_set: DataSet) -> None:
    assert label_sets(data_set, "all") == [{"Smiling"}, {"Bald", "Smiling"}, set()]


def bbox_column(folder: Path) -> None:
    images(folder / "train", "abc")
    rows = ['a,120,80,"[10.0, 20.0, 30.0, 40.0]",usask_1', 'a,120,80,"[90, 60, 30, 20]",usask_1']
    rows += ['b,120,80,"[1, 2, 3, 4]",ethz_1']
    text(folder / "train.csv", "image_id,width,height,bbox,source\n" + "\n".join(rows))


def verify_bbox_column(data_set: DataSet) -> None:
    assert boxes_in_pixels(data_set, "train", "a.jpg") == [("object", 10, 20, 40, 60), ("object", 90, 60, 120, 80)]
    assert boxes_in_pixels(data_set, "train", "b.jpg") == [("object", 1, 2, 4, 6)]
    assert data_set.left_out == "1 in train/"


def without_header(folder: Path) -> None:
    images(folder, "abc")
    text(folder / "annotations.csv", "a.jpg,10,20,40,60,dog\na.jpg,0,0,30,30,cat\nb.jpg,,,,,\nc.jpg,1,2,3,4,cat\n")
    text(folder / "classes.csv", "dog,0\ncat,1\n")


def verify_without_header(data_set: DataSet) -> None:
    assert boxes_in_pixels(data_set, "all", "a.jpg") == [("dog", 10, 20, 40, 60), ("cat", 0, 0, 30, 30)]
    assert boxes_in_pixels(data_set, "all", "b.jpg") == []
    assert {Path(file).name for file in data_set.annotation_files} == {"annotations.csv", "classes.csv"}
    assert any("annotations.csv has no header" in note for note in data_set.notes)


def open_images(folder: Path) -> None:
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
    for split, name, group in (("train", "000a", 1), ("validation", "000b", 0), ("test", "000c", 0)):
        image(folder / split / f"{name}.jpg")
        row = f"{name},xclick,/m/0bt9lr,1,0.25,0.5,0.125,0.75,0,0,{group},0,0\n"
        text(folder / f"{split}-annotations-bbox.csv", header + row)
    text(folder / "class-descriptions-boxable.csv", "/m/011k07,Tortoise\n/m/0bt9lr,Dog\n")


def verify_open_images(data_set: DataSet) -> None:
    for split, name in (("train", "000a.jpg"), ("val", "000b.jpg"), ("test", "000c.jpg")):
        assert boxes_in_pixels(data_set, split, name) == [("Dog", 30, 10, 60, 60)]
    assert data_set.splits["train"].annotations[0].objects.attributes == ({"iscrowd": 1},)
    assert any("relative to the image" in note for note in data_set.notes)


def roboflow_tensorflow(folder: Path) -> None:
    for split in ("train", "valid"):
        image(folder / split / f"{split}_jpg.rf.0123.jpg")
        header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        text(folder / split / "_annotations.csv", header + f"{split}_jpg.rf.0123.jpg,120,80,cat,10,20,40,60\n")


def verify_roboflow_tensorflow(data_set: DataSet) -> None:
    assert boxes_in_pixels(data_set, "train", "train_jpg.rf.0123.jpg") == [("cat", 10, 20, 40, 60)]
    assert boxes_in_pixels(data_set, "val", "valid_jpg.rf.0123.jpg") == [("cat", 10, 20, 40, 60)]


def train_and_test_labels(folder: Path) -> None:
    images(folder / "images", "abc")
    header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    rows = "a.jpg,120,80,raccoon,10,20,40,60\nb.jpg,120,80,raccoon,0,0,9,9\n"
    text(folder / "annotations" / "train_labels.csv", header + rows)
    text(folder / "annotations" / "test_labels.csv", header + "c.jpg,120,80,raccoon,10,20,40,60\n")


def verify_train_and_test_labels(data_set: DataSet) -> None:
    assert boxes_in_pixels(data_set, "test", "c.jpg") == [("raccoon", 10, 20, 40, 60)]


def landmarks(folder: Path) -> None:
    images(folder / "images", "ab")
    header = "image_name,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y\n"
    text(folder / "points.csv", header + "a.jpg,12,8,60,8,36,40\nb.jpg,24,16,48,32,,\n")


def verify_landmarks(data_set: DataSet) -> None:
    assert boxes_in_pixels(data_set, "all", "a.jpg") == [("object", 12, 8, 60, 40)]
    keypoints = data_set.splits["all"].annotations[1].objects.keypoints
    assert np.allclose(keypoints, [[[0.2, 0.2, 2], [0.4, 0.4, 2], [0, 0, 0]]])
    assert data_set.splits["all"].class_attributes == ({"keypoints": ["left_eye", "right_eye", "nose"]},)


def masks(folder: Path) -> None:
    for name in "ab":
        image(folder / "photos" / f"{name}.jpg", 4, 4)
        mask(folder / "masks" / f"{name}.png", np.eye(4, dtype=np.uint8))
    text(folder / "data.csv", "image,mask,split\nphotos/a.jpg,masks/a.png,train\nphotos/b.jpg,masks/b.png,val\n")
    text(folder / "classes.txt", "background\nline\n")


def verify_masks(data_set: DataSet) -> None:
    assert [Path(a.mask).name for a in data_set.splits["val"].annotations] == ["b.png"]


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "Kaggle: labels.csv with id and breed",
        "Labels",
        "The column of ids names the images of train/ without their suffix; test/ has no labels and is not used.",
        breeds,
        "a table of labels (labels.csv)",
        {"all": 4},
        ("boxer", "pug"),
        verify_breeds,
    ),
    Layout(
        "A table of images and labels",
        "Labels",
        "Each row names an image and its label; the images lie next to the table or in images/.",
        images_and_labels,
        "a table of labels (labels.csv)",
        {"all": 4},
        ("cat", "dog"),
        verify_images_and_labels,
    ),
    Layout(
        "train.csv and val.csv, written by pandas with an index",
        "Labels",
        "The column without a name counts the rows and is neither an image nor a label.",
        index_column,
        "a table of labels (train.csv, val.csv)",
        {"train": 4, "val": 2},
        ("cat", "dog"),
        verify_index_column,
    ),
    Layout(
        "A table whose paths name the splits",
        "Labels",
        "Where all images lie in folders of splits, these are the splits, also of one table or one COCO file.",
        paths_name_splits,
        "a table of labels (labels.csv)",
        {"train": 4, "val": 2},
        ("cat", "dog"),
        verify_paths_name_splits,
    ),
    Layout(
        "A table with a column for each class",
        "Labels",
        "If each row has exactly one 1, its column is the label of the image.",
        one_hot,
        "a table of labels (train.csv)",
        {"train": 4},
        ("healthy", "rust", "scab"),
        verify_one_hot,
    ),
    Layout(
        "Roboflow, multi-label classification",
        "Labels",
        "Each folder of a split has a _classes.csv with a column for each class; an image may have several, or none.",
        roboflow_multilabel,
        "a table of several labels an image (train/_classes.csv, valid/_classes.csv)",
        {"train": 4, "val": 2},
        ("cat", "dog"),
        verify_roboflow_multilabel,
    ),
    Layout(
        "A table with several tags in one column",
        "Labels",
        "A column tags holds the labels of an image, divided by blanks, as in Planet: Understanding the Amazon from Space.",
        tags,
        "a table of several labels an image (train_v2.csv)",
        {"train": 4},
        ("clear", "haze", "road", "water"),
        verify_tags,
    ),
    Layout(
        "NIH Chest X-ray",
        "Labels",
        "The finding labels of an image are divided by |; the images lie in several folders.",
        findings,
        "a table of several labels an image (Data_Entry_2017.csv)",
        {"all": 4},
        ("Mass", "No Finding", "Nodule"),
        verify_findings,
    ),
    Layout(
        "CelebA, list_attr_celeba.csv",
        "Labels",
        "Each attribute is a column of 1 and -1; an image may have several, or none.",
        attributes,
        "a table of several labels an image (list_attr_celeba.csv)",
        {"all": 3},
        ("Bald", "Smiling"),
        verify_attributes,
    ),
    Layout(
        "Global wheat detection",
        "Boxes",
        'The column bbox holds "[x, y, width, height]" in pixels; without a column of labels, the class is object.',
        bbox_column,
        "a table of boxes (train.csv)",
        {"train": 2},
        ("object",),
        verify_bbox_column,
    ),
    Layout(
        "keras-retinanet",
        "Boxes",
        "A table without a header is recognised by its shape; a row without a box is an image without objects.",
        without_header,
        "a table of boxes (annotations.csv)",
        {"all": 3},
        ("dog", "cat"),
        verify_without_header,
    ),
    Layout(
        "OpenImages",
        "Boxes",
        "The tables of the splits have relative boxes; class-descriptions-boxable.csv names the classes.",
        open_images,
        "a table of boxes (train-annotations-bbox.csv, validation-annotations-bbox.csv, test-annotations-bbox.csv)",
        {"train": 1, "val": 1, "test": 1},
        ("Dog",),
        verify_open_images,
    ),
    Layout(
        "Roboflow, TensorFlow object detection CSV",
        "Boxes",
        "Each folder of a split has an _annotations.csv with a box in each row.",
        roboflow_tensorflow,
        "a table of boxes (train/_annotations.csv, valid/_annotations.csv)",
        {"train": 1, "val": 1},
        ("cat",),
        verify_roboflow_tensorflow,
    ),
    Layout(
        "train_labels.csv and test_labels.csv",
        "Boxes",
        "The tables of the splits may lie in annotations/, and a part of their names says the split.",
        train_and_test_labels,
        "a table of boxes (annotations/train_labels.csv, annotations/test_labels.csv)",
        {"train": 2, "test": 1},
        ("raccoon",),
        verify_train_and_test_labels,
    ),
    Layout(
        "A table of landmarks",
        "Boxes",
        "Each pair of columns, such as nose_x and nose_y, is a landmark; the box is the one around the landmarks.",
        landmarks,
        "a table of landmarks (points.csv)",
        {"all": 2},
        ("object",),
        verify_landmarks,
    ),
    Layout(
        "A table of images and masks",
        "Masks",
        "Each row names an image and its mask; a column split divides them.",
        masks,
        "a table of masks (data.csv)",
        {"train": 1, "val": 1},
        ("background", "line"),
        verify_masks,
    ),
)
