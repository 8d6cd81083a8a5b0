"""The files that the documentation's commands take, small: ``write_small_data(folder)``."""

import json
import shutil
from pathlib import Path

import cv2
import nibabel
import numpy as np
import skimage.data
from PIL import Image, ImageEnhance

from visionkit.data.demo.arrays import demo_signals, head_scan
from visionkit.data.demo.faces import draw_face, draw_person
from visionkit.data.demo.photographs import as_rgb
from visionkit.data.demo.scenes import make_detection_demo, make_segmentation_demo
from visionkit.data.demo.volumes import demo_label_volumes

CLASSES = ("daisy", "roses")  # as saved_models/flowers has them
PHOTOGRAPHS = ("photo.jpg", "street.jpg", "image.jpg", "painting.jpg", "one_style.jpg", "cells.png", "slice.png")
ONE_IMAGE = ("more_photos", "holiday", "aerial", "cells")


def write_small_data(folder: Path) -> None:
    """Write all that pages of the documentation name, into an empty folder."""
    rng = np.random.default_rng(0)
    coffee = skimage.data.coffee()
    for name in PHOTOGRAPHS:
        _save(coffee[:240, :320], folder / name)
    for name in ONE_IMAGE:
        _save(coffee, folder / name / "0.jpg")
    for number in range(12):
        _save(_crop(coffee, 160, rng), folder / "photographs" / f"{number}.jpg")
    _write_labels(folder, rng)
    make_detection_demo(folder / "my_boxes", num_train=16, num_val=4)
    for name in ("DATA", "cells_voc"):
        shutil.copytree(folder / "my_boxes", folder / name)
    make_segmentation_demo(folder / "my_masks", num_train=6, num_val=2)
    _write_coco(folder, coffee)
    _write_people(folder, rng)
    _write_arrays(folder)
    video = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 5, (160, 120))
    for shift in range(3):
        video.write(np.ascontiguousarray(coffee[:120, shift : shift + 160, ::-1]))
    video.release()


def _write_labels(folder: Path, rng: np.random.Generator) -> None:
    surfaces = dict(zip(CLASSES, (skimage.data.grass(), skimage.data.brick()), strict=True))
    for split, number in (("train", 8), ("val", 3)):
        for name, surface in surfaces.items():
            for index in range(number):
                crop = as_rgb(_crop(surface, 128, rng))
                _save(crop, folder / "my_images" / split / name / f"{index}.jpg")
                _save(crop, folder / "new_images" / split / name / f"{index}.jpg")


def _write_coco(folder: Path, image: np.ndarray) -> None:
    _save(image, folder / "val2017" / "1.jpg")
    record = {
        "images": [{"id": 7, "file_name": "1.jpg", "width": image.shape[1], "height": image.shape[0]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(("RBC", "WBC", "Platelets"), start=1)],
        "annotations": [],
    }
    (folder / "instances_val2017.json").write_text(json.dumps(record))


def _write_people(folder: Path, rng: np.random.Generator) -> None:
    """People who are drawn, and Anna, whose face is the astronaut's in scikit-image."""
    astronaut = Image.fromarray(skimage.data.astronaut()).crop((60, 0, 400, 300))
    other = ImageEnhance.Brightness(astronaut.rotate(8)).enhance(0.8)
    for number, image in enumerate([astronaut, other, ImageEnhance.Contrast(astronaut).enhance(0.8)]):
        (folder / "people" / "Anna").mkdir(parents=True, exist_ok=True)
        image.save(folder / "people" / "Anna" / f"{number}.png")
    for name in ("anna_1.jpg", "one.jpg"):
        astronaut.save(folder / name)
    for name in ("anna_2.jpg", "other.jpg", "two.jpg", "party.jpg", "portrait.png"):
        other.save(folder / name)
    for number in range(7):
        person = draw_person(rng)
        for index in range(4):
            _save(draw_face(person, rng), folder / "people" / f"person {number}" / f"{index}.png")


def _write_arrays(folder: Path) -> None:
    scan = head_scan()[..., 0]
    nibabel.save(nibabel.Nifti1Image(scan, np.eye(4)), folder / "scan.nii.gz")
    volumes = demo_label_volumes(num_train=3, num_val=1)
    for number, volume in enumerate([*volumes.train, *volumes.val]):
        for kind, values in (("images", volume.values[..., 0]), ("labels", volume.labels)):
            (folder / "my_scans" / kind).mkdir(parents=True, exist_ok=True)
            np.save(folder / "my_scans" / kind / f"{number}.npy", values)
    for sample in demo_signals(num_train=6, num_val=2):
        label = folder / "my_signals_or_volumes" / str(sample.label)
        label.mkdir(parents=True, exist_ok=True)
        np.save(label / f"{len(list(label.iterdir()))}.npy", sample.values[:, 0])


def _crop(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(0, np.subtract(image.shape[:2], side))
    return image[top : top + side, left : left + side]


def _save(image: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
