"""A classifier of windows on a large image."""

import numpy as np

from visionkit.models.lenet import lenet5
from visionkit.tasks.classification.sliding import compare, draw_peaks, heat_map, peaks


def test_no_window_is_sure_and_there_is_no_peak():
    found = peaks(np.full((3, 4, 2), 0.5) - [0, 0.1], side=8, stride=2)
    assert found.boxes.shape == (0, 4) and found.classes.shape == found.scores.shape == (0,)


def test_both_ways_agree_on_images_of_several_sizes(rng):
    images = [rng.uniform(0, 255, (*shape, 3)).astype("float32") for shape in ((32, 32), (61, 90))]
    comparison, answers = compare(lenet5((32, 32, 3), 3), images[::-1])
    assert [answer.shape for answer in answers] == [(8, 15, 3), (1, 1, 3)]
    assert comparison.windows == 120 and comparison.difference < 1e-4 and comparison.speed_up > 0


def test_of_windows_that_overlap_the_surest_is_a_peak():
    probabilities = np.zeros((6, 6, 3))
    probabilities[1, 1] = [0.1, 0.2, 0.7]
    probabilities[1, 2] = [0.05, 0.05, 0.9]  # two pixels to the right: the same thing
    probabilities[5, 5] = [0.4, 0.6, 0.0]
    found = peaks(probabilities, side=8, stride=2)
    assert found.boxes.tolist() == [[4, 2, 12, 10], [10, 10, 18, 18]]
    assert found.classes.tolist() == [2, 1] and found.scores.tolist() == [0.9, 0.6]


def test_heat_lies_in_the_middle_of_each_window():
    probabilities = np.ones((2, 3, 2))
    probabilities[1, 2, 0] = 0.25
    heat = heat_map(probabilities, (13, 17), side=8, stride=4)
    assert heat.shape == (13, 17) and heat.sum() == 16 * 0.75
    assert (heat[6:10, 10:14] == 0.75).all()  # around the center (12, 8) of the window at (8, 4)


def test_peaks_and_heat_are_drawn_on_the_image():
    image, logits = np.full((40, 60, 3), 100, np.uint8), np.zeros((5, 5, 2))
    logits[..., 0] = 50
    drawn, caption = draw_peaks(image, logits, ("background", "coin"), side=8, stride=4)
    assert caption == "0 peaks" and (drawn == 100).all()
    logits[3, 2] = [0, 50]
    drawn, caption = draw_peaks(image, logits, ("background", "coin"), side=8, stride=4)
    assert caption == "1 peaks" and (drawn != 100).any()
