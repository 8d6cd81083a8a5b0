"""Training of a network that paints in one pass: its loss is that of the slow way, over many images.

Perceptual Losses for Real-Time Style Transfer, Johnson et al. 2016, https://arxiv.org/abs/1603.08155. Frames of a video follow
each other as two windows of one image do, a few pixels apart and with other noise: what is painted on both should be the
same, which costs no optical flow.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.data.pipeline.pixel_cache import PixelCache
from visionkit.errors import UserError
from visionkit.losses import style as losses
from visionkit.ops.gram import mean_gram
from visionkit.tasks.style_transfer.objective import SMALLEST, LossWeights, Maps, Style
from visionkit.training import runtime
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.fit import Phase

VALIDATED_AT_ONCE = 4
PARTS = ("weighted_content", "weighted_style", "smoothness", "lightness", "temporal")
FIRST_STYLE = 0.1  # with the whole style from the start a network paints nothing else, whatever it is shown
SHIFT, NOISE = 8, 5.0  # between two frames: pixels at most; deviation in 0..255
GONE = "None of the photographs can be read any more; expected those that were there at the start of the run."
FLAT = "None of the photographs shows more than one even color: there is nothing to paint. Expected photographs of things."
LEAST_CONTRAST = 4.0  # deviation in 0..255 of the channel that varies most
AUGMENTATION = Augmentation("painted", area=(0.25, 1.0), flip=0.5)  # no colors: they are the style's to change


class Validation(NamedTuple):
    """What is measured of a painting network after some epochs, on images it was not trained on."""

    content_loss: float
    style_loss: float


@dataclass(frozen=True)
class Schedule:
    """How long, how large, how fast.

    Attributes:
        epochs: in all.
        steps_per_epoch: batches of an epoch.
        batch_size: windows a step; with a temporal term half of them are second frames, so it is even.
        size: side of a window in pixels, a multiple of 4.
        learning_rate: the peak.
        temporal: weight of the temporal term; 0 trains on single windows.
        lightness: weight of ``losses.style.lightness_loss``.
        first_style: how much the style counts at first, as a share of what it counts in the end.
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    size: int
    learning_rate: float
    temporal: float = 0.0
    lightness: float = 0.0
    first_style: float = FIRST_STYLE

    def style_at(self, step: int) -> float:
        """How much the style counts in a step, from 0: it grows by the same factor each, and is whole for the last third."""
        grown = min(1.0, 1.5 * step / max(1, self.epochs * self.steps_per_epoch))
        return self.first_style ** (1 - grown)


@dataclass(frozen=True, eq=False)
class Targets:
    """What all styles look like to the loss.

    Attributes:
        grams: layer -> mean Gram matrices, float32 ``(S, C, C)``.
        scales: layer -> what the loss of each style is relative to, ``(S,)``.
    """

    grams: dict[str, Any]
    scales: dict[str, Any]

    @classmethod
    def of(cls, styles: Sequence[Style]) -> "Targets":
        """Of styles as ``Maps.grams`` sees them."""
        names = styles[0].grams
        grams = {name: ops.concatenate([style.grams[name] for style in styles]) for name in names}
        return cls(grams, {name: ops.convert_to_tensor([style.scale(name) for style in styles]) for name in names})


def parts_of(maps: Maps, targets: Targets, painted: Any, images: Any, shares: Any) -> tuple[Any, Any]:
    """Content and style loss of painted images, means over the batch, before they are weighted.

    Args:
        maps: what looks at images.
        targets: the styles.
        painted: float32 ``(N, H, W, 3)`` in 0..255.
        images: what was to be painted, the same shape.
        shares: of the styles, float32 ``(N, S)``.
    """
    seen, content = maps.whole(painted), ops.stop_gradient(ops.cast(maps.whole(images)[maps.layers.content], "float32"))
    squares = ops.maximum(ops.mean(ops.square(content), axis=(1, 2, 3)), SMALLEST)
    content_loss = losses.content_loss(seen[maps.layers.content], content) / squares
    style_loss = 0.0
    for name, share in maps.layers.style.items():
        grams, scales = mean_gram(seen[name]), targets.scales[name]
        one_by_one = range(targets.grams[name].shape[0])
        away = [losses.style_loss(grams, targets.grams[name][number][None]) / scales[number] for number in one_by_one]
        style_loss = style_loss + share * ops.sum(shares * ops.stack(away, axis=1), axis=1)
    return ops.mean(content_loss), ops.mean(style_loss)


def losses_of(maps: Maps, targets: Targets, shares: LossWeights, schedule: Schedule) -> Callable[[Any, Any], dict[str, Any]]:
    """A function from painted images and ``{"images", "styles", "shift", "grown"}`` to the weighted parts of the loss."""

    def parts(painted, given):
        images = ops.cast(given["images"], "float32")
        content_loss, style_loss = parts_of(maps, targets, painted, images, given["styles"])
        grown = given["grown"][0]
        found = {"weighted_content": shares.content * content_loss, "weighted_style": grown * shares.style * style_loss}
        found["smoothness"] = shares.smoothness * ops.mean(losses.total_variation(painted))
        found["lightness"] = schedule.lightness * ops.mean(losses.lightness_loss(painted, images))
        temporal = schedule.temporal
        found["temporal"] = temporal * flicker(painted, given["shift"]) if temporal else ops.zeros(())
        return found

    return parts


def flicker(painted: Any, shift: Any) -> Any:
    """Mean square difference, each pixel 0..1, of what was painted on two windows where they show the same.

    Args:
        painted: float32 ``(2 N, H, W, 3)`` in 0..255: first windows, then second ones.
        shift: how far the second lie below and to the right, int ``(2 N, 2)``, the same for all.
    """
    first, second = ops.split(painted / 255, 2)
    down, across = shift[0, 0], shift[0, 1]
    _, height, width, _ = painted.shape
    rows, columns = ops.arange(SHIFT, height - SHIFT), ops.arange(SHIFT, width - SHIFT)
    moved = ops.take(ops.take(first, rows + down, axis=1), columns + across, axis=2)
    return ops.mean(ops.square(moved - second[:, SHIFT:-SHIFT, SHIFT:-SHIFT]))


def window_feeder(
    index: Index, schedule: Schedule, num_styles: int, *, seed: int, skipped: SkippedFiles, cache: PixelCache | None
) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to its batches: ``(images, styles)``, and what the loss has to know."""
    paired = schedule.temporal > 0
    count = max(1, schedule.batch_size // 2) if paired else schedule.batch_size
    border = SHIFT if paired else 0

    def windows(epoch: int) -> Iterable[np.ndarray]:
        """Batches of ``count``, through all images again and again; what is left of each time is gathered."""
        left: list[np.ndarray] = []
        for turn in itertools.count():
            options = {"size": schedule.size + 2 * border, "batch_size": count, "augmentation": AUGMENTATION, "cache": cache}
            dataset = batches(index, skipped=skipped, shuffle=True, seed=seed, epoch=epoch * 1000 + turn, **options)
            num_seen = num_used = 0
            for batch in dataset.as_numpy_iterator():
                middle = slice(border, border + schedule.size)
                used = batch["image"][has_contrast(batch["image"][:, middle, middle])]
                num_seen, num_used = num_seen + len(batch["image"]), num_used + len(used)
                left.extend(used)
                if len(left) >= count:
                    yield np.stack(left[:count])
                    del left[:count]
            if not num_used:
                raise UserError(FLAT if num_seen else GONE)

    def epoch_batches(epoch: int) -> Iterable:
        rng = np.random.default_rng([seed, epoch, 3])
        for step, images in zip(range(schedule.steps_per_epoch), windows(epoch), strict=False):
            styles = np.eye(num_styles, dtype=np.float32)[(np.arange(count) + step * count) % num_styles]
            shift = np.zeros(2, np.int32)
            if paired:
                shift = rng.integers(-SHIFT, SHIFT, 2, endpoint=True).astype(np.int32)
                images, styles = two_frames(images, shift, rng), np.concatenate([styles, styles])
            given = {"images": images, "styles": styles, "shift": np.repeat(shift[None], len(images), axis=0)}
            given["grown"] = np.full(len(images), schedule.style_at(epoch * schedule.steps_per_epoch + step), np.float32)
            yield (images, styles), given

    return epoch_batches


def has_contrast(images: np.ndarray) -> np.ndarray:
    """Which of uint8 ``(N, H, W, 3)`` are more than one even color.

    To an even window each instance normalisation answers with nothing, and multiplies the gradient by thirty: by ten to the
    twentieth through all of them, which ends in weights that are no numbers.
    """
    return images.std(axis=(1, 2)).max(axis=1) >= LEAST_CONTRAST


def two_frames(images: np.ndarray, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uint8 ``(N, H + 2 SHIFT, W + 2 SHIFT, 3)`` to ``(2 N, H, W, 3)``: windows, and others ``shift`` away with noise."""
    height, width = (length - 2 * SHIFT for length in images.shape[1:3])
    top, left = SHIFT + shift[0], SHIFT + shift[1]
    first = images[:, SHIFT : SHIFT + height, SHIFT : SHIFT + width]
    second = images[:, top : top + height, left : left + width]
    noisy = (second + rng.normal(0, NOISE, second.shape)).round().clip(0, 255).astype(np.uint8)
    return np.concatenate([first, noisy])


def style_phase(
    network: keras.Model,
    schedule: Schedule,
    maps: Maps,
    targets: Targets,
    shares: LossWeights,
    epoch_batches: Callable[[int], Iterable],
    measure: Callable[[], Validation],
) -> Phase:
    """Train a network that paints.

    Args:
        network: ``models.style_network``.
        schedule: how long, how fast.
        maps: what looks at images.
        targets: the styles.
        shares: of the parts of the loss.
        epoch_batches: of ``window_feeder``.
        measure: the network as it is.
    """
    trainer = AveragingTrainer(network, losses_of(maps, targets, shares, schedule), PARTS)
    return averaged_phase(
        trainer,
        measure,
        weight_decay=0.0,
        name="network",
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        steps_per_epoch=schedule.steps_per_epoch,
        batches=epoch_batches,
    )


def validator(
    network: keras.Model, maps: Maps, targets: Targets, index: Index, size: int, skipped: SkippedFiles
) -> Callable[[], Validation]:
    """A function that measures a network as it is, on squares of images, in each style: means over all of them."""
    num_styles = network.inputs[1].shape[-1]
    answer = runtime.compiled(lambda images, styles: parts_of(maps, targets, network([images, styles]), images, styles))

    def measure() -> Validation:
        found = []
        for batch in batches(index, size=size, batch_size=VALIDATED_AT_ONCE, skipped=skipped).as_numpy_iterator():
            for style in np.eye(num_styles, dtype=np.float32):
                shares = np.repeat(style[None], len(batch["image"]), axis=0)
                losses_here = answer(ops.convert_to_tensor(batch["image"]), ops.convert_to_tensor(shares))
                found.append((len(shares), *(float(each) for each in losses_here)))
        if not found:
            raise UserError(GONE)
        counts, content_losses, style_losses = np.array(found).T
        return Validation(*(float(np.average(each, weights=counts)) for each in (content_losses, style_losses)))

    return measure
