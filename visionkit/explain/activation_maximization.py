"""Activation maximization: images that excite a unit, by gradient ascent on the pixels from gray noise.

Plain gradients produce fine noise that excites a network and shows people nothing. Three regularizers keep images natural:
gradients are split into octaves of similar strength, so that coarse shapes grow, too; the image is shifted a little at each
step; and it is smoothed at intervals. Their strength depends on the receptive field: for seven pixels, there is one octave.
The method is that of Deep Inside Convolutional Networks, https://arxiv.org/abs/1312.6034, and Understanding Neural Networks
Through Deep Visualization, https://arxiv.org/abs/1506.06579.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from visionkit.explain.network_graph import Layer
from visionkit.explain.probe import Probe

STEPS = 96
LARGEST = 160  # side of an image in pixels: deep units see more, but objects of this size excite them
MARGIN = 8  # pixels beyond the receptive field, as room for shifts
OCTAVES, SMALLEST_FIELD = 4, 8  # largest number of octaves; receptive fields below twice this many pixels have one octave
RATE = 5.0  # pixel values a step
SMOOTHED_EVERY = 8  # steps
GRAYNESS = 1.0  # weight of changes that the three colors have in common
COARSENESS = 1.4  # strength of an octave relative to the next finer one
GRAY, NOISE = 117.0, 12.0  # mean and deviation of the first image, in pixel values


def exciting_images(
    probe: Probe, layer: Layer, units: Sequence[int], *, seed: int, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Make an image for each unit of a layer.

    Args:
        probe: the network.
        layer: one of its layers.
        units: channels of the layer.
        seed: seed of the noise and the shifts.
        steps: number of gradient steps.

    Returns:
        images of the receptive field or of its central part, uint8 ``(N, height, width, 3)``; and the excitation of the unit in
        the middle by the first and by the last image, float32 ``(N, 2)``.
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
        pixels = np.clip(pixels + rate * np.stack([evened(image, octaves) for image in gradient]), 0, 255)
        if octaves > 1 and step % SMOOTHED_EVERY == 0 and step < steps * 3 // 4:
            pixels = np.stack([cv2.GaussianBlur(image, (0, 0), 0.6) for image in pixels])
    last = probe.excitation_gradient(pixels, layer, units, place)[0]
    corner, sides = layer.window(*place)
    begins = [int(np.clip(start, 0, side - 1)) for start in corner]
    ends = [int(np.clip(start + length, 1, side)) for start, length in zip(corner, sides, strict=True)]
    shown = pixels[:, begins[0] : ends[0], begins[1] : ends[1]]
    return np.round(shown).astype(np.uint8), np.stack([first, last], axis=1)


def evened(gradient: np.ndarray, octaves: int = OCTAVES) -> np.ndarray:
    """Scale a gradient ``(H, W, 3)`` to the statistics of photographs: coarse more than fine, gray more than colored.

    The result has a standard deviation of 1.
    """
    gradient = gradient + GRAYNESS * gradient.mean(axis=-1, keepdims=True)
    total, rest = np.zeros_like(gradient), gradient
    for octave in range(octaves):
        coarse = cv2.GaussianBlur(rest, (0, 0), 2.0**octave) if octave < octaves - 1 else 0
        part, rest = rest - coarse, coarse
        total += COARSENESS**octave * part / max(float(part.std()), 1e-12)
    return total / max(float(total.std()), 1e-12)
