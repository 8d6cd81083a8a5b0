"""Neural style transfer by gradient descent on the pixels of an image, from coarse to fine.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; coarse to fine as in Controlling
Perceptual Factors in Neural Style Transfer, Gatys et al. 2016, https://arxiv.org/abs/1611.07865.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import keras
import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from visionkit.tasks.style_transfer.objective import (
    DEFAULT_WEIGHTS,
    FeatureExtractor,
    Loss,
    LossWeights,
    Objective,
    StyleTarget,
)

COARSEST, FINER = 64, 4  # smallest longer side of the coarsest scale in pixels; ratio between adjacent scales
NARROWEST = 32  # smallest side in pixels: networks that halve an image four times need as much
STEPS = {64: 80, 128: 60, 256: 180, 512: 80, 1024: 25}  # by the longer side; larger sides take as few as the last
MEMORY = 8  # gradients that L-BFGS stores
FIRST = 3.0  # root mean square of the first change that L-BFGS tries, in 0..255
NEGLIGIBLE = 1e-6  # loss of an image that is its own style: the rest is rounding, which Adam would follow in large steps
DECAYED = 0.1  # fraction of the learning rate that is left in the last step
NOISE = 40.0  # standard deviation of the initial noise, in 0..255


@dataclass(frozen=True, eq=False)
class StyleImage:
    """A style to apply.

    Attributes:
        image: the style image, uint8 ``(H, W, 3)``.
        share: weight among several styles; the shares sum to 1 unless each style has a mask.
        mask: where the style is applied, float32 of the content image's size, 0 to 1; None applies it everywhere.
    """

    image: np.ndarray
    share: float = 1.0
    mask: np.ndarray | None = None


class Scale(NamedTuple):
    """One stage of the descent: longer side in pixels, and number of steps."""

    side: int
    steps: int


@dataclass(frozen=True)
class DescentSettings:
    """The settings of the descent.

    Attributes:
        scales: the stages in order; the last has the side of the result.
        optimizer: "adam" or "lbfgs"; images that are tiled are always painted by Adam.
        learning_rate: Adam's, in levels of 0..255 a step.
        start: the initial image: the content image, or noise.
        style_size: longer side of the style images relative to that of the content image.
        seed: seed of the noise.
    """

    scales: tuple[Scale, ...]
    optimizer: Literal["adam", "lbfgs"] = "lbfgs"
    learning_rate: float = 10.0
    start: Literal["content", "noise"] = "content"
    style_size: float = 1.0
    seed: int = 0


class Progress(NamedTuple):
    """The state of a descent.

    Attributes:
        scale: number of the scale, from 0.
        step: number of steps done at this scale.
        loss: loss of the image.
        image: float32 ``(H, W, 3)`` in 0..255, at this scale.
        state: returns the state of the optimizer, to resume from.
    """

    scale: int
    step: int
    loss: Loss
    image: np.ndarray
    state: Callable[[], tuple[np.ndarray, ...]] = tuple


def choose_scales(side: int, steps: int | None = None) -> tuple[Scale, ...]:
    """The scales that lead to an image whose longer side is ``side``, each with its number of steps.

    Args:
        side: longer side of the result in pixels.
        steps: steps at the finest scale; coarser scales get proportionally many. None takes what the side usually needs.
    """
    sides = [side]
    while sides[0] >= FINER * COARSEST:
        sides.insert(0, round(sides[0] / FINER))
    usual = [STEPS[min(max(2 ** round(math.log2(length)), min(STEPS)), max(STEPS))] for length in sides]
    factor = 1.0 if steps is None else steps / usual[-1]
    return tuple(Scale(length, max(1, round(factor * count))) for length, count in zip(sides, usual, strict=True))


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """Resize ``(H, W, C)`` in proportion to a longer side of ``side`` pixels, as float32; no side becomes 0."""
    factor = side / max(image.shape[:2])
    size = tuple(max(1, round(factor * length)) for length in image.shape[1::-1])
    if size == image.shape[1::-1]:
        return image.astype(np.float32)
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image.astype(np.float32), size, interpolation=interpolation).clip(0, 255)


def resize_like(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Resize an image to the size of another, as float32, without clipping: differences of images may be negative."""
    return cv2.resize(image.astype(np.float32), like.shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(like.shape)


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask to a height and width, as float32 ``(H, W)`` in 0 to 1."""
    shrinks = mask.shape[0] > size[0]
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def pad_narrow(image: np.ndarray) -> np.ndarray:
    """Pad an image to at least ``NARROWEST`` pixels a side by repeating its right and bottom border."""
    missing = [max(0, NARROWEST - length) for length in image.shape[:2]]
    return np.pad(image, [*((0, count) for count in missing), *[(0, 0)] * (image.ndim - 2)], mode="edge")


def stylize(
    content: np.ndarray,
    styles: Sequence[StyleImage],
    extractor: FeatureExtractor,
    settings: DescentSettings,
    weights: LossWeights = DEFAULT_WEIGHTS,
    *,
    callback: Callable[[Progress], Any] = lambda progress: None,
    resume_from: Progress | None = None,
) -> np.ndarray:
    """Paint the content of one image in the style of others.

    Args:
        content: the content image, uint8 ``(H, W, 3)``.
        styles: at least one. Where all masks are black the content image stays as it is.
        extractor: computes the features that the loss compares.
        settings: scales, optimizer, initial image.
        weights: of the parts of the loss.
        callback: called before each step, and after the last step of each scale.
        resume_from: the progress at which an interrupted descent continues.

    Returns:
        uint8 ``(h, w, 3)``, whose longer side is that of the last scale.
    """
    painted, previous_content = None, None
    for number, scale in enumerate(settings.scales):
        if resume_from is not None and number < resume_from.scale:
            continue
        prepared = prepare_scale(content, styles, extractor, scale, settings.style_size, weights)
        state, first = (), 0
        if resume_from is not None and number == resume_from.scale:
            painted, state, first = pad_narrow(resume_from.image), resume_from.state(), resume_from.step
        elif painted is None and resume_from is None:
            painted = prepared.content if settings.start == "content" else _noise(prepared.content, settings.seed)
        elif settings.start == "content":
            # Only the change by the style is enlarged; the detail of the content image comes from each scale's own copy.
            painted = (prepared.content + resize_like(painted - previous_content, prepared.content)).clip(0, 255)
        else:
            painted = resize_like(painted, prepared.content).clip(0, 255)

        # L-BFGS stores as many images as gradients, which is too much for large ones.
        descend = _adam if settings.optimizer == "adam" or prepared.objective.is_tiled else _lbfgs
        report = _reporter(callback, number, prepared)
        painted = descend(prepared.objective, painted, scale.steps, settings.learning_rate, report, first, state)
        previous_content = prepared.content
    return prepared.visible(painted).round().astype(np.uint8)


def _reporter(callback: Callable[[Progress], Any], number: int, prepared: "PreparedScale") -> Callable[..., Any]:
    """A function of step, loss, image and state that calls ``callback`` with the progress."""

    def report(step: int, loss: Loss, image: np.ndarray, state: Callable[[], tuple[np.ndarray, ...]] = tuple) -> None:
        callback(Progress(number, step, loss, prepared.visible(image), state))

    return report


@dataclass(frozen=True, eq=False)
class PreparedScale:
    """The images, the styles and the loss at one scale.

    Attributes:
        content: the content image, float32 ``(H, W, 3)``, padded by ``pad_narrow``.
        size: height and width without the padding.
        styles: the styles as the loss compares them.
        objective: the loss.
        coverage: where any style is applied, float32 ``(H, W, 1)``; None is everywhere.
    """

    content: np.ndarray
    size: tuple[int, int]
    styles: Sequence[StyleTarget]
    objective: Objective
    coverage: np.ndarray | None

    def visible(self, image: np.ndarray) -> np.ndarray:
        """The image without the padding, and with the content image where no style is applied."""
        if self.coverage is not None:
            image = self.coverage * image + (1 - self.coverage) * self.content
        return image[: self.size[0], : self.size[1]]


def prepare_scale(
    content: np.ndarray,
    styles: Sequence[StyleImage],
    extractor: FeatureExtractor,
    scale: Scale,
    style_size: float,
    weights: LossWeights,
) -> PreparedScale:
    """Resize images and masks to a scale, and set up its loss; see ``stylize``."""
    resized = resize(content, scale.side)
    padded = pad_narrow(resized)
    is_everywhere = any(style.mask is None for style in styles)
    targets, coverage = [], None if is_everywhere else np.zeros((*padded.shape[:2], 1), np.float32)
    for style in styles:
        mask = None if style.mask is None else pad_narrow(resize_mask(style.mask, resized.shape[:2]))
        if coverage is not None:
            coverage = np.maximum(coverage, mask[..., None])
        image = pad_narrow(resize(style.image, max(1, round(style_size * scale.side))))
        targets.append(StyleTarget(extractor.grams(image), style.share, mask))
    return PreparedScale(padded, resized.shape[:2], targets, Objective(extractor, padded, targets, weights), coverage)


def _noise(content: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(content.mean(), NOISE, content.shape)
    return noise.clip(0, 255).astype(np.float32)


def _adam(
    objective: Objective,
    image: np.ndarray,
    steps: int,
    learning_rate: float,
    report: Callable[..., Any],
    first: int,
    state: tuple[np.ndarray, ...],
) -> np.ndarray:
    """Adam (https://arxiv.org/abs/1412.6980) with a learning rate that falls by half a cosine.

    Its state includes the image: by the time the state is read, one more step may have been taken than was reported.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps), alpha=DECAYED)
    optimizer = keras.optimizers.Adam(rate, beta_2=0.99)
    variable = keras.Variable(image)
    optimizer.build([variable])
    variables = [*optimizer.variables, variable]
    if state:
        for each, value in zip(variables, state, strict=True):
            each.assign(value)
        first, image = int(optimizer.iterations), keras.ops.convert_to_numpy(variable).clip(0, 255)
    for step in range(first, steps + 1):
        loss, gradient = objective.loss_and_gradient(image)
        report(step, loss, image, lambda: tuple(keras.ops.convert_to_numpy(each) for each in variables))
        if loss.total < NEGLIGIBLE:
            break
        if step < steps:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            image = keras.ops.convert_to_numpy(variable).clip(0, 255)
            variable.assign(image)
    return image


def _lbfgs(
    objective: Objective,
    image: np.ndarray,
    steps: int,
    learning_rate: float,
    report: Callable[..., Any],
    first: int,
    state: tuple[np.ndarray, ...],
) -> np.ndarray:
    """L-BFGS (Liu and Nocedal 1989) by SciPy: it chooses the length of its steps, and stops where no step helps.

    It runs without bounds, which would cost more than all the rest: pixels beyond 0..255 are clipped for the loss, and the
    gradient does not drive them further out. Its memory cannot be saved: it resumes from the image alone. A step here is an
    evaluation of the loss.
    """
    best, count = [None, image], [first]
    unit = FIRST * math.sqrt(image.size)  # SciPy's first step has a length of 1

    def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
        unbounded = (unit * pixels).astype(np.float32).reshape(image.shape)
        clipped = unbounded.clip(0, 255)
        loss, gradient = objective.loss_and_gradient(clipped)
        if best[0] is None or loss.total < best[0].total:
            best[:] = loss, clipped
        report(count[0], best[0], best[1])
        if loss.total < NEGLIGIBLE or count[0] >= steps:
            raise StopIteration
        count[0] += 1
        leads_out = ((unbounded < 0) & (gradient > 0)) | ((unbounded > 255) & (gradient < 0))
        return loss.total, unit * np.where(leads_out, 0, gradient).ravel().astype(np.float64)

    never = steps + 1  # SciPy checks its limits only after whole iterations: our own count ends the descent
    options = {"maxfun": never, "maxiter": never, "maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0}
    begin = image.ravel().astype(np.float64) / unit
    # Its many vector products are short: more threads wait for each other longer than they compute.
    with contextlib.suppress(StopIteration), threadpool_limits(1, "blas"):
        minimize(loss_and_gradient, begin, jac=True, method="L-BFGS-B", options=options)
    return best[1]
