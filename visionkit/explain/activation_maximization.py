"""Images that a unit would like to see: pixels climb along the gradient of its excitation, from gray noise.

Plain gradients make fine noise that excites a network and tells people nothing. Three things keep images natural: gradients
are parted into octaves of about the same strength, so that coarse shapes grow, too; the image is shifted a little at each
step; and it is smoothed now and then. What a unit sees decides how much of each: of seven pixels there is one octave. (Deep
Inside Convolutional Networks, https://arxiv.org/abs/1312.6034, and Understanding Neural Networks Through Deep Visualization,
https://arxiv.org/abs/1506.06579, began so.)
"""

from collections.abc import Sequence

import cv2
import numpy as np

from visionkit.explain.network_graph import Layer
from visionkit.explain.probe import Probe

STEPS = 96
LARGEST = 160  # pixels a side: deep units see more, but things of this size excite them
MARGIN = 8  # pixels beyond the field, so that shifting has room
OCTAVES, SMALLEST_FIELD = 4, 8  # the most; pixels that a unit sees, below twice of which there is one
RATE = 5.0  # pixel values a step
SMOOTHED_EVERY = 8  # steps
GRAYNESS = 1.0  # how much more the colors of a pixel vary together
COARSENESS = 1.4  # how much more an octave varies than a finer one
GRAY, NOISE = 117.0, 12.0  # what it begins with, in pixel values


def exciting_images(
    probe: Probe, layer: Layer, units: Sequence[int], *, seed: int, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Make an image for each unit of a layer.

    Args:
        probe: the network.
        layer: one of its layers.
        units: channels.
        seed: of the noise and the shifts.
        steps: upwards.

    Returns:
        uint8 ``(N, height, width, 3)``, of what one unit sees, or of a central part of it; and how strongly the unit in the
        middle was excited at first and at last, float32 ``(N, 2)``.
    """
    field = max(layer.place.field)
    side = min(probe.size, LARGEST, field + 2 * MARGIN + layer.stride)
    side = min(probe.size, -(-side // layer.stride) * layer.stride)
    smaller = probe.at_side(layer, side)
    layer, side = (layer, probe.size) if smaller is None else (smaller, side)
    place = tuple(length // 2 for length in layer.place.sides)
    rng = np.random.default_rng(seed)
    pixels = GRAY + NOISE * rng.standard_normal((1, side, side, 3), np.float32).repeat(len(units), axis=0)
    first = probe.excitation_gradient(pixels, layer, units, place)[0]
    octaves = int(np.clip(np.log2(max(layer.place.field) / SMALLEST_FIELD) + 1, 1, OCTAVES))
    reach = min(MARGIN, max(layer.place.field) // 16)
    for step in range(steps):
        shift = rng.integers(-reach, reach + 1, 2)
        _, gradient = probe.excitation_gradient(np.roll(pixels, shift, (1, 2)), layer, units, place)
        gradient = np.roll(gradient, -shift, (1, 2))
        rate = RATE * (1 - 0.7 * step / steps)
        pixels = np.clip(pixels + rate * np.stack([evened(each, octaves) for each in gradient]), 0, 255)
        if octaves > 1 and step % SMOOTHED_EVERY == 0 and step < steps * 3 // 4:
            pixels = np.stack([cv2.GaussianBlur(each, (0, 0), 0.6) for each in pixels])
    last = probe.excitation_gradient(pixels, layer, units, place)[0]
    corner, sides = layer.window(*place)
    begins = [int(np.clip(start, 0, side - 1)) for start in corner]
    ends = [int(np.clip(start + length, 1, side)) for start, length in zip(corner, sides, strict=True)]
    shown = pixels[:, begins[0] : ends[0], begins[1] : ends[1]]
    return np.round(shown).astype(np.uint8), np.stack([first, last], axis=1)


def evened(gradient: np.ndarray, octaves: int = OCTAVES) -> np.ndarray:
    """A gradient ``(H, W, 3)`` as photographs vary: coarse more than fine, gray more than colored; of deviation 1."""
    gradient = gradient + GRAYNESS * gradient.mean(axis=-1, keepdims=True)
    total, rest = np.zeros_like(gradient), gradient
    for octave in range(octaves):
        coarse = cv2.GaussianBlur(rest, (0, 0), 2.0**octave) if octave < octaves - 1 else 0
        part, rest = rest - coarse, coarse
        total += COARSENESS**octave * part / max(float(part.std()), 1e-12)
    return total / max(float(total.std()), 1e-12)
