"""Images whose label is the name of a folder or a file."""

from collections.abc import Callable
from pathlib import Path

from tests.data.layouts.layout import Layout, image, text
from visionkit.data.splits import DataSet


def labels_by_path(data_set: DataSet, split: str) -> dict[str, str]:
    """File name, after its folder -> class name."""
    index = data_set.splits[split]
    names = ["/".join(Path(path).parts[-2:]) for path in index.paths]
    return dict(zip(names, (index.class_names[label] for label in index.labels), strict=True))


def has(split: str, **labels: str) -> Callable[[DataSet], None]:
    """Checks some labels of a split; a path is written cat__0 for cat/0.jpg."""
    expected = {path.replace("__", "/") + ".jpg": label for path, label in labels.items()}

    def verify(data_set: DataSet) -> None:
        found = labels_by_path(data_set, split)
        assert expected.items() <= found.items(), found

    return verify


def folders(root: Path, counts: dict[str, int], first: int = 0) -> None:
    """Images 0.jpg, 1.jpg, ... in folders."""
    for name, count in counts.items():
        for number in range(first, first + count):
            image(root / name / f"{number}.jpg")


def class_folders(root: Path) -> None:
    folders(root, {"cat": 3, "dog": 2})


def split_folders(root: Path) -> None:
    folders(root, {"training_set/cat": 3, "training_set/dog": 2})
    folders(root, {"test_set/cat": 1, "test_set/dog": 1}, first=5)


def folders_twice(root: Path) -> None:
    folders(root, {"seg_train/seg_train/sea": 2, "seg_train/seg_train/street": 2})
    folders(root, {"seg_test/seg_test/sea": 1, "seg_test/seg_test/street": 1, "seg_pred/seg_pred": 2}, first=5)


def wrapped(root: Path) -> None:
    folders(root, {"natural_images/cat": 3, "natural_images/dog": 2})
    text(root / "README.txt", "Natural images")


def beside_annotations(root: Path) -> None:
    folders(root, {"Images/n02085620-Chihuahua": 3, "Images/n02085782-Japanese_spaniel": 2})
    text(root / "Annotation" / "n02085620-Chihuahua" / "n02085620_0", "<xml/>")


def two_sets(root: Path) -> None:
    folders(root, {"trainA": 3, "trainB": 2, "testA": 1, "testB": 1})


def numbered(root: Path) -> None:
    folders(root, {"train/1": 3, "train/2": 2})
    folders(root, {"valid/1": 1, "valid/2": 1}, first=5)
    text(root / "cat_to_name.json", '{"2": "orchid", "1": "pink primrose"}')


def lists(root: Path) -> None:
    folders(root, {"images": 4})
    text(root / "classes.txt", "cat\ndog\n")
    text(root / "train.txt", "images/0.jpg 1\nimages/1.jpg 2\n")
    text(root / "val.txt", "images/2.jpg 1\nimages/3.jpg 1\n")


def cats_and_dogs(root: Path) -> None:
    for number in range(3):
        image(root / "train" / f"cat.{number}.jpg")
        image(root / "train" / f"dog.{number}.jpg")
        image(root / "test1" / f"{number}.jpg")


def flat(root: Path) -> None:
    for name in ("red fox_1", "red fox_2", "wolf-1", "wolf (2)", "wolf_003"):
        image(root / f"{name}.jpg")


def tiny_imagenet(root: Path) -> None:
    for wnid in ("n01443537", "n01629819"):
        for number in range(2):
            image(root / "train" / wnid / "images" / f"{wnid}_{number}.JPEG")
        text(root / "train" / wnid / f"{wnid}_boxes.txt", f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
    for number in range(3):
        image(root / "val" / "images" / f"val_{number}.JPEG")
        image(root / "test" / "images" / f"test_{number}.JPEG")
    lines = [
        f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62\n" for number, wnid in enumerate(["n01629819", "n01443537", "n01629819"])
    ]
    text(root / "val" / "val_annotations.txt", "".join(lines))
    text(root / "wnids.txt", "n01629819\nn01443537\n")
    text(root / "words.txt", "n01443537\tgoldfish, Carassius auratus\nn01629819\tEuropean fire salamander\nn00000001\tother\n")


def verify_tiny_imagenet(data_set: DataSet) -> None:
    assert labels_by_path(data_set, "val") == {
        "images/val_0.JPEG": "European fire salamander",
        "images/val_1.JPEG": "goldfish",
        "images/val_2.JPEG": "European fire salamander",
    }
    assert labels_by_path(data_set, "train")["images/n01443537_1.JPEG"] == "goldfish"
    assert data_set.splits["val"].class_attributes == ({"id": "n01629819"}, {"id": "n01443537"})


def cub(root: Path) -> None:
    names = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    paths = [f"{name}/{name[4:]}_{number}.jpg" for name in names for number in range(2)]
    for path in paths:
        image(root / "images" / path)
    text(root / "classes.txt", "".join(f"{number} {name}\n" for number, name in enumerate(names, 1)))
    text(root / "images.txt", "".join(f"{number} {path}\n" for number, path in enumerate(paths, 1)))
    text(root / "image_class_labels.txt", "1 1\n2 1\n3 2\n4 2\n")
    text(root / "train_test_split.txt", "1 0\n2 1\n3 1\n4 1\n")
    text(root / "bounding_boxes.txt", "1 60.0 27.0 325.0 304.0\n")


def verify_cub(data_set: DataSet) -> None:
    assert labels_by_path(data_set, "test") == {
        "001.Black_footed_Albatross/Black_footed_Albatross_0.jpg": "Black_footed_Albatross"
    }
    assert labels_by_path(data_set, "train")["002.Laysan_Albatross/Laysan_Albatross_1.jpg"] == "Laysan_Albatross"


def people(root: Path) -> None:
    folders(root, {"train/anna": 2, "train/bert": 2, "val/cora": 2, "val/dora": 1})


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "One folder a class",
        "Labels",
        "The name of the folder is the label; recipes hold out a fifth of each class for validation.",
        class_folders,
        "class folders",
        {"all": 5},
        ("cat", "dog"),
        has("all", cat__0="cat", cat__2="cat", dog__1="dog"),
    ),
    Layout(
        "Class folders in train/ and val/ or test/",
        "Labels",
        "The splits may have any of their usual names: train, training_set, train2017; val, valid, dev; test, test1, testing.",
        split_folders,
        "class folders (training_set/, test_set/)",
        {"train": 5, "test": 2},
        ("cat", "dog"),
        has("test", cat__5="cat", dog__5="dog"),
    ),
    Layout(
        "Class folders inside a second folder of the same name (seg_train/seg_train/)",
        "Labels",
        "As above; folders of splits without class folders, such as seg_pred/, are not used.",
        folders_twice,
        "class folders (seg_train/, seg_test/)",
        {"train": 4, "test": 2},
        ("sea", "street"),
        has("train", sea__1="sea", street__0="street"),
    ),
    Layout(
        "An archive's own folder around the data set",
        "Labels",
        "A single folder without images of its own is entered; a note names it.",
        wrapped,
        "class folders",
        {"all": 5},
        ("cat", "dog"),
        has("all", cat__0="cat", dog__1="dog"),
    ),
    Layout(
        "One folder with all class folders, beside others without images (Stanford Dogs, Caltech-101)",
        "Labels",
        "The folder is entered, and a note names it.",
        beside_annotations,
        "class folders",
        {"all": 5},
        ("n02085620-Chihuahua", "n02085782-Japanese_spaniel"),
        has("all", **{"n02085782-Japanese_spaniel__1": "n02085782-Japanese_spaniel"}),
    ),
    Layout(
        "Class folders with numbers as names, and a file that names them (classes.txt, cat_to_name.json)",
        "Labels",
        "The numbers become names if the file names all of them; lines of a text count from 0, or from 1 if no folder is 0.",
        numbered,
        "class folders (train/, valid/)",
        {"train": 5, "val": 2},
        ("pink primrose", "orchid"),
        has("val", **{"1__5": "pink primrose", "2__5": "orchid"}),
    ),
    Layout(
        "Two sets of images: trainA, trainB, testA, testB (CycleGAN)",
        "Labels",
        "A and B are taken for the classes.",
        two_sets,
        "class folders (trainA/, trainB/, testA/, testB/)",
        {"train": 5, "test": 2},
        ("A", "B"),
        has("train", trainA__2="A", trainB__1="B"),
    ),
    Layout(
        "Lists train.txt and val.txt",
        "Labels",
        'Each line is "path" (its folder is the label) or "path label"; a number is a line of classes.txt, from 0 or from 1.',
        lists,
        "lists (train.txt, val.txt)",
        {"train": 2, "val": 2},
        ("cat", "dog"),
        has("train", images__0="cat", images__1="dog"),
    ),
    Layout(
        "Kaggle's Dogs vs. Cats: train/cat.0.jpg, test1/1.jpg",
        "Labels",
        "The label is the beginning of the file name; a test folder whose names say nothing is not used.",
        cats_and_dogs,
        "labels in file names",
        {"train": 6},
        ("cat", "dog"),
        has("train", **{"train__cat.2": "cat", "train__dog.0": "dog"}),
    ),
    Layout(
        "One folder of images named after their class: wolf_1.jpg, fox_1.jpg",
        "Labels",
        "As above, where every name is a class and a number; this is a guess, so it is a finding.",
        flat,
        "labels in file names",
        {"all": 5},
        ("red fox", "wolf"),
        has("all", **{"data__red fox_2": "red fox", "data__wolf (2)": "wolf", "data__wolf_003": "wolf"}),
        frozenset(["unclear layout"]),
    ),
    Layout(
        "Tiny ImageNet",
        "Labels",
        "The labels of val/images/ are those in val_annotations.txt; words.txt names the classes; boxes are not used.",
        tiny_imagenet,
        "Tiny ImageNet",
        {"train": 4, "val": 3},
        ("European fire salamander", "goldfish"),
        verify_tiny_imagenet,
    ),
    Layout(
        "CUB-200-2011",
        "Labels",
        "The label is the species; train_test_split.txt divides the images; boxes, parts and attributes are not used.",
        cub,
        "CUB-200-2011",
        {"train": 3, "test": 1},
        ("Black_footed_Albatross", "Laysan_Albatross"),
        verify_cub,
    ),
    Layout(
        "One folder a person, with other people in val/ than in train/",
        "People",
        "Folders that training and validation do not share are people: facenet_verification.py trains on them.",
        people,
        "one folder per person (train/, val/)",
        {"train": 4, "val": 3},
        ("anna", "bert", "cora", "dora"),
        has("val", cora__1="cora", dora__0="dora"),
        findings=frozenset(["unclear layout"]),  # so few folders may be classes, too
    ),
)
