"""The built-in sets of composed images: exact boxes, masks and landmarks, and splits that share as little as possible."""

import cv2
import numpy as np
import pytest

from visionkit.data.demo import cutouts
from visionkit.data.demo import scenes as detection_demo
from visionkit.data.images.decode import read_image
from visionkit.data.images.masks.read import read_mask
from visionkit.data.sources import read


def of_all(kind: str, count: int = 40) -> list[detection_demo.Scene]:
    return [detection_demo.scene(kind, "train", number) for number in range(count)]


def test_nothing_on_a_background_is_an_empty_image():
    scene = detection_demo.compose(detection_demo.material("val"), [], (50, 60), np.random.default_rng(0), extent=(10, 20))
    assert scene.image.shape == (50, 60, 3) and scene.boxes.shape == (0, 4) and scene.maps.shape == (0, 2, 3)
    assert (scene.owners == -1).all()


def test_boxes_are_the_extent_of_the_visible_part():
    scenes = of_all("detection")
    assert {len(scene.boxes) for scene in scenes} <= set(range(detection_demo.MOST_OBJECTS + 1))
    assert min(len(scene.boxes) for scene in scenes) == 0
    clipped = 0
    for scene in scenes:
        for number, box in enumerate(scene.boxes):
            rows, columns = np.nonzero(scene.owners == number)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            clipped += 0 in box.tolist()
    sides = np.concatenate([scene.boxes[:, 2:] - scene.boxes[:, :2] for scene in scenes]).max(axis=1)
    assert clipped > 3 and sides.min() < 25 and sides.max() > 100


def test_a_pixel_shows_its_owner_and_not_the_background():
    """The same draws, once without an object and once with one."""
    material, size, extent = detection_demo.material("val"), (120, 160), (60, 80)
    empty, full = (
        detection_demo.compose(material, names, size, np.random.default_rng(5), extent=extent) for names in ([], ["retina"])
    )
    x1, y1, x2, y2 = full.boxes[0]
    changed = np.abs(empty.image.astype(int) - full.image).max(axis=2) > 0
    outside = np.ones(size, bool)
    outside[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2] = False
    assert not changed[outside].any() and changed[full.owners == 0].mean() > 0.95


def test_maps_lead_from_the_cut_out_to_the_image():
    cut = np.zeros((90, 70, 4), np.float32)
    cut[30:40, 50:60] = 255
    matrix = detection_demo._random_map((90, 70), 180.0, (240, 320), np.random.default_rng(3))
    for scaled in (matrix, matrix / 4):
        moments = cv2.moments(detection_demo._warped(cut, scaled, (240, 320))[..., 3])
        found = np.array([moments["m10"], moments["m01"]]) / moments["m00"] + 0.5
        np.testing.assert_allclose(found, scaled[:, :2] @ (55, 35) + scaled[:, 2], atol=0.3)


def test_training_and_validation_share_neither_backgrounds_nor_coins_digits_and_faces():
    train, val = (cutouts.cut_outs(split) for split in ("train", "val"))
    assert tuple(train) == tuple(val) == cutouts.CLASS_NAMES
    for name in ("coin", "digit", "face"):
        assert len(train[name]) > len(val[name]) > 5
        assert not {cut.tobytes() for cut in train[name]} & {cut.tobytes() for cut in val[name]}
    for cuts in train.values():
        assert all(cut.shape[2] == 4 and max(cut.shape) <= cutouts.LARGEST and cut[..., 3].max() == 255 for cut in cuts)


@pytest.mark.parametrize("make", [detection_demo.make_detection_demo, detection_demo.make_localization_demo])
def test_the_written_annotations_match_the_scenes(tmp_path, make):
    found = read(make(tmp_path / "set", num_train=6, num_val=3, seed=2))
    kind = "detection" if make is detection_demo.make_detection_demo else "localization"
    assert found.class_names == cutouts.CLASS_NAMES and not found.problems
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 6, "val": 3}
    for split, index in found.splits.items():
        for number, (path, annotation) in enumerate(zip(index.paths, index.annotations, strict=True)):
            scene = detection_demo.scene(kind, split, number, seed=2)
            sides = np.tile(scene.image.shape[1::-1], 2)
            np.testing.assert_allclose(annotation.objects.boxes * sides, scene.boxes, atol=1e-9)
            assert annotation.objects.classes.tolist() == scene.classes.tolist()
            assert np.abs(read_image(path).astype(int) - scene.image).mean() < 6  # JPEG


def test_masks_hold_the_class_that_each_pixel_shows(tmp_path):
    found = read(detection_demo.make_segmentation_demo(tmp_path / "set", num_train=6, num_val=3, seed=2))
    assert found.class_names == ("background", *cutouts.CLASS_NAMES) and not found.problems
    assert {split: len(index) for split, index in found.splits.items()} == {"train": 6, "val": 3}
    classes = set()
    for split, index in found.splits.items():
        for number, (path, annotation) in enumerate(zip(index.paths, index.annotations, strict=True)):
            scene, mask = detection_demo.scene("detection", split, number, seed=2), read_mask(annotation.mask, index)
            assert np.abs(read_image(path).astype(int) - scene.image).mean() < 6  # JPEG
            assert ((mask == 0) == (scene.owners == -1)).all()
            for owner, label in enumerate(scene.classes):
                assert (mask[scene.owners == owner] == label + 1).all()
            classes |= set(mask.ravel().tolist())
    assert len(classes) > 4


def test_landmarks_move_with_the_cat(tmp_path):
    found = read(detection_demo.make_landmark_demo(tmp_path / "set", num_train=2, num_val=1))
    objects = found.splits["train"].annotations[1].objects
    assert objects.keypoints.shape == (1, len(cutouts.CAT_POINTS), 3)
    scene = detection_demo.scene("landmarks", "train", 1)
    x, y = (objects.keypoints[0, :, :2] * scene.image.shape[1::-1]).T
    left, right, nose, mouth = range(4)
    assert x[left] < x[nose] < x[right] and y[nose] < y[mouth]
    showing = scene.owners[np.clip(y.astype(int), 0, scene.image.shape[0] - 1), np.clip(x.astype(int), 0, None)]
    assert (showing == 0).all()


def test_a_second_call_finds_it_written_and_another_seed_writes_anew(tmp_path):
    folder = detection_demo.make_detection_demo(tmp_path / "set", num_train=2, num_val=1)
    image = folder / "images" / "train" / "train_0000.jpg"
    first, stamp = image.read_bytes(), image.stat().st_mtime_ns
    assert detection_demo.make_detection_demo(folder, num_train=2, num_val=1) == folder
    assert image.stat().st_mtime_ns == stamp
    detection_demo.make_detection_demo(folder, num_train=2, num_val=1, seed=1)
    assert image.read_bytes() != first
    detection_demo.make_detection_demo(folder, num_train=1, num_val=1)
    assert image.read_bytes() == first
