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

from visionkit.tasks.style_transfer.objective import USUAL, Loss, LossWeights, Maps, Objective, Style

COARSEST, FINER = 64, 4  # pixels of the longer side, or more; times as fine is each scale
NARROWEST = 32  # pixels of the shorter side: networks that halve an image four times need as much
STEPS = {64: 80, 128: 60, 256: 180, 512: 80, 1024: 25}  # by side; beyond, as few
MEMORY = 8  # gradients that L-BFGS remembers
FIRST = 3.0  # root mean square of the first change that L-BFGS tries, in 0..255
ENOUGH = 1e-6  # loss of an image that is its own style; what is left is rounding, which Adam would follow in large steps
DECAYED = 0.1  # share of the learning rate in the last step
NOISE = 40.0  # deviation of what an image begins with, in 0..255


@dataclass(frozen=True, eq=False)
class Wanted:
    """An image whose style is wanted.

    Attributes:
        image: uint8 ``(H, W, 3)``.
        share: of several; they sum to 1, but where each has a mask.
        mask: where in the content image, float32 of its size, 0 to 1; None is everywhere.
    """

    image: np.ndarray
    share: float = 1.0
    mask: np.ndarray | None = None


class Scale(NamedTuple):
    """One stretch of the way: longer side in pixels, and steps."""

    side: int
    steps: int


@dataclass(frozen=True)
class How:
    """How an image is painted.

    Attributes:
        scales: one after the other; the last has the side of the result.
        optimizer: "adam" or "lbfgs"; what is painted in tiles is painted by Adam.
        learning_rate: of Adam, in 0..255 a step.
        start: with the content image, or with noise.
        style_size: longer side of the style images as a share of the content image's.
        seed: of the noise.
    """

    scales: tuple[Scale, ...]
    optimizer: Literal["adam", "lbfgs"] = "lbfgs"
    learning_rate: float = 10.0
    start: Literal["content", "noise"] = "content"
    style_size: float = 1.0
    seed: int = 0


class Progress(NamedTuple):
    """Where the work is.

    Attributes:
        scale: its number, from 0.
        step: of this scale, from 0: how many were done.
        loss: of the image.
        image: float32 ``(H, W, 3)`` in 0..255, at this scale.
        state: answers with the optimizer's, to go on from.
    """

    scale: int
    step: int
    loss: Loss
    image: np.ndarray
    state: Callable[[], tuple[np.ndarray, ...]] = tuple


def scales_to(side: int, steps: int | None = None) -> tuple[Scale, ...]:
    """Sides that grow up to ``side``, each with its steps.

    Args:
        side: of the result.
        steps: of the finest; of the coarser ones in proportion. None takes what the side usually needs.
    """
    sides = [side]
    while sides[0] >= FINER * COARSEST:
        sides.insert(0, round(sides[0] / FINER))
    usual = [STEPS[min(max(2 ** round(math.log2(each)), min(STEPS)), max(STEPS))] for each in sides]
    factor = 1.0 if steps is None else steps / usual[-1]
    return tuple(Scale(each, max(1, round(factor * count))) for each, count in zip(sides, usual, strict=True))


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """``(H, W, C)`` in proportion with its longer side of ``side`` pixels, float32; the shorter has one at least."""
    factor = side / max(image.shape[:2])
    size = tuple(max(1, round(factor * length)) for length in image.shape[1::-1])
    if size == image.shape[1::-1]:
        return image.astype(np.float32)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image.astype(np.float32), size, interpolation=way).clip(0, 255)


def stretched(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """An image at the size of another, float32; differences may be negative."""
    return cv2.resize(image.astype(np.float32), like.shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(like.shape)


def wide_enough(image: np.ndarray) -> np.ndarray:
    """An image with at least ``NARROWEST`` pixels a side: what there is goes on at the right and below."""
    missing = [max(0, NARROWEST - length) for length in image.shape[:2]]
    return np.pad(image, [*((0, count) for count in missing), *[(0, 0)] * (image.ndim - 2)], mode="edge")


def stylize(
    content: np.ndarray,
    wanted: Sequence[Wanted],
    maps: Maps,
    how: How,
    shares: LossWeights = USUAL,
    *,
    watch: Callable[[Progress], Any] = lambda progress: None,
    begin: Progress | None = None,
) -> np.ndarray:
    """Paint the content of one image in the style of others.

    Args:
        content: uint8 ``(H, W, 3)``.
        wanted: at least one style. Where no mask of any allows a style the content stays as it is.
        maps: the network that looks.
        how: scales, optimizer, start.
        shares: of the parts of the loss.
        watch: is told the progress, before each step and after the last one of each scale.
        begin: where an interrupted work goes on.

    Returns:
        uint8 ``(h, w, 3)``, its longer side that of the last scale.
    """
    painted, before = None, None
    for number, scale in enumerate(how.scales):
        if begin is not None and number < begin.scale:
            continue
        here = prepared(content, wanted, maps, scale, how.style_size, shares)
        state, first = (), 0
        if begin is not None and number == begin.scale:
            painted, state, first = wide_enough(begin.image), begin.state(), begin.step
        elif painted is None and begin is None:
            painted = here.content if how.start == "content" else _noise(here.content, how.seed)
        elif how.start == "content":
            # Only what the style changed is enlarged: the content's own detail comes back with each scale.
            painted = (here.content + stretched(painted - before, here.content)).clip(0, 255)
        else:
            painted = stretched(painted, here.content).clip(0, 255)

        # L-BFGS remembers as many images as gradients: too many of large ones.
        way = _adam if how.optimizer == "adam" or here.objective.is_in_tiles else _lbfgs
        painted = way(here.objective, painted, scale.steps, how.learning_rate, _teller(watch, number, here), first, state)
        before = here.content
    return here.shown(painted).round().astype(np.uint8)


def _teller(watch: Callable[[Progress], Any], number: int, here: "Prepared") -> Callable[..., Any]:
    def tell(step: int, loss: Loss, image: np.ndarray, state: Callable[[], tuple[np.ndarray, ...]] = tuple) -> None:
        watch(Progress(number, step, loss, here.shown(image), state))

    return tell


@dataclass(frozen=True, eq=False)
class Prepared:
    """What one scale works with.

    Attributes:
        content: float32 ``(H, W, 3)``, wide enough.
        size: height and width of the image in it.
        styles: as the loss knows them.
        objective: the loss.
        free: where a style is wanted, float32 ``(H, W, 1)``; None is everywhere.
    """

    content: np.ndarray
    size: tuple[int, int]
    styles: Sequence[Style]
    objective: Objective
    free: np.ndarray | None

    def kept(self, image: np.ndarray) -> np.ndarray:
        """The image, and the content where no style is wanted."""
        return image if self.free is None else self.free * image + (1 - self.free) * self.content

    def shown(self, image: np.ndarray) -> np.ndarray:
        """What people see of it."""
        return self.kept(image)[: self.size[0], : self.size[1]]


def prepared(
    content: np.ndarray, wanted: Sequence[Wanted], maps: Maps, scale: Scale, style_size: float, shares: LossWeights
) -> Prepared:
    """Images, masks and the loss at one scale; see ``stylize``."""
    seen = resized(content, scale.side)
    whole = wide_enough(seen)
    styles, free = [], None if any(each.mask is None for each in wanted) else np.zeros((*whole.shape[:2], 1), np.float32)
    for each in wanted:
        mask = None if each.mask is None else wide_enough(resized_mask(each.mask, seen.shape[:2]))
        if free is not None:
            free = np.maximum(free, mask[..., None])
        image = wide_enough(resized(each.image, max(1, round(style_size * scale.side))))
        styles.append(Style(maps.grams(image), each.share, mask))
    return Prepared(whole, seen.shape[:2], styles, Objective(maps, whole, styles, shares), free)


def resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Float32 ``(H, W)`` of 0 to 1 at another height and width."""
    shrinks = mask.shape[0] > size[0]
    return cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _noise(content: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(content.mean(), NOISE, content.shape)
    return noise.clip(0, 255).astype(np.float32)


def _adam(
    objective: Objective,
    image: np.ndarray,
    steps: int,
    learning_rate: float,
    tell: Callable[..., Any],
    first: int,
    state: tuple[np.ndarray, ...],
) -> np.ndarray:
    """Adam (https://arxiv.org/abs/1412.6980), its rate falling by half a cosine.

    Its state holds the image, too: when it is asked for, a further step may have been taken than was told.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps), alpha=DECAYED)
    optimizer = keras.optimizers.Adam(rate, beta_2=0.99)
    variable = keras.Variable(image)
    optimizer.build([variable])
    everything = [*optimizer.variables, variable]
    if state:
        for own, value in zip(everything, state, strict=True):
            own.assign(value)
        first, image = int(optimizer.iterations), keras.ops.convert_to_numpy(variable).clip(0, 255)
    for step in range(first, steps + 1):
        loss, gradient = objective.loss_and_gradient(image)
        tell(step, loss, image, lambda: tuple(keras.ops.convert_to_numpy(own) for own in everything))
        if loss.total < ENOUGH:
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
    tell: Callable[..., Any],
    first: int,
    state: tuple[np.ndarray, ...],
) -> np.ndarray:
    """L-BFGS (Liu and Nocedal 1989) by SciPy: it finds the lengths of its steps, and ends where nothing more is won.

    It knows no bounds, which would cost it more than all else it does: pixels beyond 0..255 are seen as black or white, and the
    gradient does not drive them further. What it remembers cannot be kept: it goes on from the image alone. Its steps here
    are evaluations.
    """
    best, done = [None, image], [first]
    unit = FIRST * math.sqrt(image.size)  # SciPy's first step has a length of 1

    def loss_and_gradient(pixels: np.ndarray) -> tuple[float, np.ndarray]:
        free = (unit * pixels).astype(np.float32).reshape(image.shape)
        seen = free.clip(0, 255)
        loss, gradient = objective.loss_and_gradient(seen)
        if best[0] is None or loss.total < best[0].total:
            best[:] = loss, seen
        tell(done[0], best[0], best[1])
        if loss.total < ENOUGH or done[0] >= steps:
            raise StopIteration
        done[0] += 1
        leads_out = ((free < 0) & (gradient > 0)) | ((free > 255) & (gradient < 0))
        return loss.total, unit * np.where(leads_out, 0, gradient).ravel().astype(np.float64)

    never = steps + 1  # SciPy looks at these after a whole iteration only: what is told counts
    options = {"maxfun": never, "maxiter": never, "maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0}
    begin = image.ravel().astype(np.float64) / unit
    # Its many products of vectors are short: more threads wait for each other longer than they compute.
    with contextlib.suppress(StopIteration), threadpool_limits(1, "blas"):
        minimize(loss_and_gradient, begin, jac=True, method="L-BFGS-B", options=options)
    return best[1]
