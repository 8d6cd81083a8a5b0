"""Images with masks against answers: files that vanish, boundaries, membranes, and means of what is known."""

import numpy as np
import pytest
from PIL import Image

from tests.data.scenes import scene, write_scenes
from visionkit.data.index import SkippedFiles
from visionkit.tasks.segmentation.evaluate import (
    Outcome,
    mean_boundary,
    mean_errors,
    outcome,
    outcomes_of_images,
    outcomes_of_volumes,
    summed,
)


def test_nothing_to_measure():
    assert outcomes_of_volumes(lambda values: values, [], 3) == [] and not summed([], 3).any()
    assert mean_boundary([]) is None and mean_errors([]) == {}
    nothing = outcome(np.full((3, 3), 255, np.uint8), np.zeros((3, 3), np.uint8), 2, closely=True, are_cells=True)
    assert np.isnan(nothing.error) and nothing.membranes == {} and np.isnan(nothing.boundary).all()


def test_images_that_are_gone_are_skipped_and_told(tmp_path, rng):
    index = write_scenes(tmp_path, [(image, None, mask) for image, _, mask in (scene(rng) for _ in range(3))])
    truths = [np.asarray(Image.open(tmp_path / f"{number}_mask.png")) for number in range(3)]
    (tmp_path / "0.png").unlink()
    Image.new("L", (5, 6)).save(tmp_path / "2_mask.png")
    skipped = SkippedFiles()
    read, outcomes = outcomes_of_images(lambda pixels: truths[1], index, skipped, closely=True)
    assert read.paths == (index.paths[1],) and outcomes[0].error == 0 and np.nanmin(outcomes[0].boundary) == 1
    assert {file.path for file in skipped.list()} == {index.paths[0], index.paths[2]}


def test_means_are_of_the_images_that_have_a_boundary():
    scores = [np.array([1.0, np.nan, np.nan]), np.array([0.5, 0.2, np.nan])]
    np.testing.assert_array_equal(mean_boundary([Outcome(np.eye(3), each) for each in scores]), [0.75, 0.2, np.nan])


def test_the_challenges_errors_are_of_cells():
    truth = np.ones((9, 9), np.uint8)
    truth[4] = 0
    right, wrong = (outcome(truth, answer, 2, closely=True, are_cells=True) for answer in (truth, np.ones_like(truth)))
    assert mean_errors([right]) == {"rand_error": 0, "warping_error": 0, "challenge_pixel_error": 0}
    errors = mean_errors([right, wrong])
    assert errors["rand_error"] == pytest.approx(wrong.membranes["rand_error"] / 2) and errors["rand_error"] > 0
    assert errors["challenge_pixel_error"] == pytest.approx(1 - 2 * 144 / (144 + 153))
