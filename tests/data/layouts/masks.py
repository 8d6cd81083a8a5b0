"""Images and masks, as published data sets arrange them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.layouts.layout import Layout, image, mask, text
from visionkit.data.images.masks.read import read_mask
from visionkit.data.splits import DataSet

BINARY = ("background", "foreground")


def square(row: int = 10, column: int = 20, *, value: int = 255, background: int = 0, side: int = 30) -> np.ndarray:
    """A mask of an image with a square: uint8 ``(80, 120)``."""
    values = np.full((80, 120), background, np.uint8)
    values[row : row + side, column : column + side] = value
    return values


def masks_are(expected: dict[tuple[str, str], np.ndarray]) -> Callable[[DataSet], None]:
    """A check that images, by split and name, have these classes, uint8 ``(H, W)``."""

    def verify(data_set: DataSet) -> None:
        for (split, name), classes in expected.items():
            index = data_set.splits[split]
            (row,) = (row for row, path in enumerate(index.paths) if Path(path).name == name)
            np.testing.assert_array_equal(read_mask(index.annotations[row].mask, index), classes)

    return verify


def is_true(values: np.ndarray) -> np.ndarray:
    """The classes of a binary mask."""
    return (values > 0).astype(np.uint8)


def numbered(folder: Path) -> None:
    """images/image_0.png with masks/mask_0.png."""
    for number in range(3):
        image(folder / "images" / f"image_{number}.png")
        mask(folder / "masks" / f"mask_{number}.png", square(number))


def pets(folder: Path) -> None:
    """Oxford-IIIT Pet, with hidden files of the archive and boxes of heads."""
    for name in ("Abyssinian_1", "Abyssinian_2", "beagle_1"):
        image(folder / "images" / f"{name}.jpg")
        trimap = square(value=3, background=2)
        trimap[12:38, 22:48] = 1
        mask(folder / "annotations" / "trimaps" / f"{name}.png", trimap)
        text(folder / "annotations" / "trimaps" / f"._{name}.png", "made by the system")
    text(folder / "annotations" / "xmls" / "beagle_1.xml", "<annotation/>")
    text(folder / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n")
    text(folder / "annotations" / "trainval.txt", "Abyssinian_1 1 1 1\nAbyssinian_2 1 1 1\n")
    text(folder / "annotations" / "test.txt", "beagle_1 2 2 1\n")


def drive(folder: Path) -> None:
    """DRIVE as it is downloaded: test/ has no vessels, but a field of view."""
    for split, numbers in (("training", (21, 22)), ("test", (1, 2))):
        for number in numbers:
            image(folder / split / "images" / f"{number:02}_{split}.tif")
            mask(folder / split / "mask" / f"{number:02}_{split}_mask.gif", square(1, 1, side=70))
            if split == "training":
                mask(folder / split / "1st_manual" / f"{number:02}_manual1.gif", square(number))


def isic(folder: Path) -> None:
    """ISIC 2018, task 1."""
    for split, numbers in (("Training", (0, 1, 3)), ("Validation", (12, 13))):
        for number in numbers:
            name = f"ISIC_{number:07}"
            image(folder / f"ISIC2018_Task1-2_{split}_Input" / f"{name}.jpg")
            mask(folder / f"ISIC2018_Task1_{split}_GroundTruth" / f"{name}_segmentation.png", square(number))


def cityscapes(folder: Path) -> None:
    """Cityscapes with all forms of each mask."""
    for split, city in (("train", "aachen"), ("train", "ulm"), ("val", "lindau")):
        for number in range(2):
            name = f"{city}_{number:06}_000019"
            image(folder / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png")
            below = folder / "gtFine" / split / city
            mask(below / f"{name}_gtFine_labelIds.png", square(number, value=26, background=7))
            mask(below / f"{name}_gtFine_instanceIds.png", square(number, value=99, background=7))
            mask(below / f"{name}_gtFine_color.png", np.repeat(square(number)[..., None], 3, axis=2))
            text(below / f"{name}_gtFine_polygons.json", '{"imgHeight": 80, "imgWidth": 120, "objects": []}')


def deepglobe(folder: Path) -> None:
    """DeepGlobe's roads: valid/ has no masks."""
    for number in (104, 119, 200):
        image(folder / "train" / f"{number}_sat.jpg")
        mask(folder / "train" / f"{number}_mask.png", square(number - 100 if number < 150 else 3))
    image(folder / "valid" / "300_sat.jpg")


def nuclei(folder: Path) -> None:
    """Data Science Bowl 2018: stage1_test/ has no masks."""
    for name in ("00ae65c1", "0a7d30b2"):
        image(folder / "stage1_train" / name / "images" / f"{name}.png")
        for number in range(2):
            mask(folder / "stage1_train" / name / "masks" / f"{name[::-1]}{number}.png", square(5, 40 * number))
    image(folder / "stage1_test" / "0f1f896d" / "images" / "0f1f896d.png")


def busi(folder: Path) -> None:
    """BUSI: an image has one mask or several."""
    for kind in ("benign", "malignant", "normal"):
        for number in (1, 2):
            image(folder / kind / f"{kind} ({number}).png")
            mask(folder / kind / f"{kind} ({number})_mask.png", square() if kind != "normal" else square(value=0))
    mask(folder / "benign" / "benign (2)_mask_1.png", square(40, 80))


def voc(folder: Path) -> None:
    """Pascal VOC's masks, without its boxes."""
    for name in ("2007_000032", "2007_000039", "2007_000063"):
        image(folder / "JPEGImages" / f"{name}.jpg")
        mask(folder / "SegmentationClass" / f"{name}.png", square(value=15))
        mask(folder / "SegmentationObject" / f"{name}.png", square(value=1))
    image(folder / "JPEGImages" / "2007_000027.jpg")
    text(folder / "ImageSets" / "Segmentation" / "train.txt", "2007_000032\n2007_000039\n")
    text(folder / "ImageSets" / "Segmentation" / "val.txt", "2007_000063\n")


def camvid(folder: Path) -> None:
    """CamVid as its authors published it: the masks have colors."""
    colors = np.zeros((80, 120, 3), np.uint8)
    colors[40:] = (128, 64, 128)
    for number in range(2):
        image(folder / "701_StillsRaw_full" / f"0001TP_{number:06}.png")
        mask(folder / "LabeledApproved_full" / f"0001TP_{number:06}_L.png", colors)
    text(folder / "label_colors.txt", "128 64 128\tRoad\n0 0 0\t\tVoid\n64 0 128\tCar\n")


def segnet(folder: Path) -> None:
    """CamVid as SegNet's authors published it."""
    for split, count in (("train", 2), ("val", 1)):
        for number in range(count):
            image(folder / split / f"{split}{number}.png")
            mask(folder / f"{split}annot" / f"{split}{number}.png", square(value=2))
    text(folder / "classes.txt", "Sky\nBuilding\nPole\n")


def fastai(folder: Path) -> None:
    """CamVid as fast.ai publishes it."""
    for number in range(3):
        image(folder / "images" / f"0016E5_{number:05}.png")
        mask(folder / "labels" / f"0016E5_{number:05}_P.png", square(value=2))
    text(folder / "codes.txt", "Animal\nArchway\nBicyclist\n")
    text(folder / "valid.txt", "0016E5_00002.png\n")


def side_by_side(folder: Path) -> None:
    """x_mask.png next to x.jpg."""
    for name in ("a", "b"):
        image(folder / f"{name}.JPG")
        mask(folder / f"{name}_mask.png", square())


def same_stem(folder: Path) -> None:
    """x.png next to x.jpg."""
    for number in range(1, 4):
        image(folder / f"{number:04}.jpg", 160, 160)
        mask(folder / f"{number:04}.png", np.pad(square(number), ((0, 80), (0, 40))))


def any_names(folder: Path) -> None:
    """Two folders whose names do not say which of them holds the masks."""
    for name in ("north", "south"):
        for split, count in (("train", 2), ("test", 1)):
            for number in range(count):
                place = folder / split
                pixels = np.random.default_rng([number, *f"{split}{name}".encode()]).integers(0, 256, (80, 120, 3), np.uint8)
                mask(place / "input" / f"{name}_{number}.png", pixels)
                mask(place / "target" / f"{name}_{number}.png", square(number))


def carvana(folder: Path) -> None:
    """Carvana: train/ and train_masks/, and images without masks in test/."""
    for number in (1, 2):
        image(folder / "train" / f"0cdf_{number:02}.jpg")
        mask(folder / "train_masks" / f"0cdf_{number:02}_mask.gif", square(number))
    image(folder / "test" / "0d1a_01.jpg")


def layout(name, sentence, build, form, splits, expected, classes=BINARY, findings=()) -> Layout:
    """A layout of masks."""
    findings = frozenset(findings)
    return Layout(name, "Masks", sentence, build, form, splits, classes, masks_are(expected), findings)


TRIMAP = np.full((80, 120), 1, np.uint8)
TRIMAP[10:40, 20:50] = 2
TRIMAP[12:38, 22:48] = 0
CITYSCAPES = (
    "unlabeled, ego vehicle, rectification border, out of roi, static, dynamic, ground, road, sidewalk, parking, rail track, "
    "building, wall, fence, guard rail, bridge, tunnel, pole, polegroup, traffic light, traffic sign, vegetation, terrain, "
    "sky, person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle"
)
VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant "
    "sheep sofa train tvmonitor"
)
ROAD = np.full((80, 120), 255, np.uint8)
ROAD[40:] = 0

LAYOUTS: tuple[Layout, ...] = (
    layout(
        "Images and masks with prefixes",
        "The names in images/ and masks/ may differ by what all names of a folder begin and end with.",
        numbered,
        "images and masks (images/, masks/)",
        {"all": 3},
        {("all", f"image_{number}.png"): is_true(square(number)) for number in range(3)},
    ),
    layout(
        "Oxford-IIIT Pet",
        "The trimaps are read, split by trainval.txt and test.txt; the boxes of heads are not.",
        pets,
        "images and masks (images/, annotations/trimaps/)",
        {"train": 2, "test": 1},
        {("train", "Abyssinian_2.jpg"): TRIMAP, ("test", "beagle_1.jpg"): TRIMAP},
        ("pet", "background", "border"),
    ),
    layout(
        "DRIVE",
        "The masks are the vessels in 1st_manual/, never the field of view in mask/.",
        drive,
        "images and masks (training/images/, training/1st_manual/)",
        {"train": 2},
        {("train", "21_training.tif"): is_true(square(21)), ("train", "22_training.tif"): is_true(square(22))},
    ),
    layout(
        "ISIC 2018",
        "Each folder of images is paired with the folder of its GroundTruth.",
        isic,
        "images and masks (ISIC2018_Task1-2_Training_Input/, ISIC2018_Task1_Training_GroundTruth/)",
        {"train": 3, "val": 2},
        {("train", "ISIC_0000003.jpg"): is_true(square(3)), ("val", "ISIC_0000012.jpg"): is_true(square(12))},
    ),
    layout(
        "Cityscapes",
        "Of the forms of each mask labelTrainIds is read, else labelIds; the classes have their published names.",
        cityscapes,
        "images and masks (leftImg8bit/train/, gtFine/train/)",
        {"train": 4, "val": 2},
        {("val", "lindau_000001_000019_leftImg8bit.png"): square(1, value=26, background=7)},
        tuple(CITYSCAPES.split(", ")),
    ),
    layout(
        "DeepGlobe",
        "x_sat.jpg is paired with x_mask.png in the same folder; folders without masks are named and not used.",
        deepglobe,
        "images and masks (x_mask.png next to x.jpg)",
        {"train": 3},
        {("train", "119_sat.jpg"): is_true(square(19)), ("train", "200_sat.jpg"): is_true(square(3))},
    ),
    layout(
        "Data Science Bowl 2018",
        "An image has one mask for each object; their union is read as its mask.",
        nuclei,
        "images and masks (one mask per object)",
        {"train": 2},
        {("train", "00ae65c1.png"): is_true(square(5, 0)) | is_true(square(5, 40))},
    ),
    layout(
        "BUSI",
        "x_mask.png lies next to x.png; where there is x_mask_1.png, too, the union is read.",
        busi,
        "images and masks (x_mask.png next to x.jpg)",
        {"all": 6},
        {
            ("all", "benign (1).png"): is_true(square()),
            ("all", "benign (2).png"): is_true(square()) | is_true(square(40, 80)),
            ("all", "normal (1).png"): square(value=0),
        },
    ),
    layout(
        "Pascal VOC, SegmentationClass",
        "The masks are read, with the published names of their classes; beside Annotations/ only recipes for masks read them.",
        voc,
        "images and masks (JPEGImages/, SegmentationClass/)",
        {"train": 2, "val": 1},
        {("val", "2007_000063.jpg"): square(value=15)},
        tuple(VOC.split()),
    ),
    layout(
        "CamVid",
        "701_StillsRaw_full/ is paired with LabeledApproved_full/; label_colors.txt names the colors, and Void is ignored.",
        camvid,
        "images and masks (701_StillsRaw_full/, LabeledApproved_full/)",
        {"all": 2},
        {("all", "0001TP_000001.png"): ROAD},
        ("Road", "Car"),
    ),
    layout(
        "CamVid, SegNet's form",
        "The masks of train/ lie in trainannot/.",
        segnet,
        "images and masks (train/, trainannot/)",
        {"train": 2, "val": 1},
        {("val", "val0.png"): square(value=2)},
        ("Sky", "Building", "Pole"),
    ),
    layout(
        "CamVid, fast.ai's form",
        "codes.txt names the classes, and valid.txt lists the images of the validation split.",
        fastai,
        "images and masks (images/, labels/)",
        {"train": 2, "val": 1},
        {("val", "0016E5_00002.png"): square(value=2)},
        ("Animal", "Archway", "Bicyclist"),
    ),
    layout(
        "Carvana",
        "The masks of train/ lie in train_masks/; test/ has none and is not used.",
        carvana,
        "images and masks (train/, train_masks/)",
        {"train": 2},
        {("train", "0cdf_02.jpg"): is_true(square(2))},
    ),
    layout(
        "Masks next to their images",
        "x_mask.png lies next to x.jpg.",
        side_by_side,
        "images and masks (x_mask.png next to x.jpg)",
        {"all": 2},
        {("all", "a.JPG"): is_true(square())},
    ),
    layout(
        "Masks of the same name next to their images",
        "x.png lies next to x.jpg and has few values.",
        same_stem,
        "images and masks (x.png next to x.jpg)",
        {"all": 3},
        {("all", "0002.jpg"): np.pad(is_true(square(2)), ((0, 80), (0, 40)))},
    ),
    layout(
        "Images and masks in two folders of any names",
        "The folder whose files have few values is taken for the masks, and `visionkit check` says so.",
        any_names,
        "images and masks (train/input/, train/target/)",
        {"train": 4, "test": 2},
        {("train", "north_1.png"): is_true(square(1)), ("test", "south_0.png"): is_true(square(0))},
        findings=("unclear layout",),
    ),
)
