"""Training of a network that paints in one pass, with the loss of the descent, on many images.

Perceptual Losses for Real-Time Style Transfer, Johnson et al. 2016, https://arxiv.org/abs/1603.08155. Against flicker in videos
two windows of one image, a few pixels apart and with different noise, stand for two adjacent frames: what is painted on both
should be the same, which needs no optical flow.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.data.pipeline.pixel_cache import PixelCache
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.layers.instance_normalization import ConditionalInstanceNormalization
from visionkit.losses import style as losses
from visionkit.ops.gram import mean_gram
from visionkit.tasks.style_transfer.descent import StyleImage, pad_narrow, resize
from visionkit.tasks.style_transfer.objective import SMALLEST_SCALE, FeatureExtractor, LossWeights, StyleTarget
from visionkit.training import fit, runtime
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.start_model import Head

EVALUATION_BATCH = 4
PARTS = ("weighted_content", "weighted_style", "smoothness", "lightness", "temporal")
STYLE_MARGIN = 1.2  # longer side of the style images, in windows
FIRST_STYLE = 0.1  # with the full style weight from the start, a network paints the style alone, whatever it is shown
SHIFT, NOISE = 8, 5.0  # between two frames: largest shift in pixels; standard deviation of the noise in 0..255
GONE = "None of the photographs can be read any more; expected those that were there at the start of the run."
FLAT = "Every photograph is a single even color: there is nothing to paint. Expected photographs of things."
LEAST_CONTRAST = 4.0  # standard deviation in 0..255 of the channel that varies most
AUGMENTATION = Augmentation("painted", area=(0.25, 1.0), flip=0.5)  # no change of colors, which are up to the style


@dataclass(frozen=True, kw_only=True)
class Schedule(fit.Schedule):
    """How a painting network is trained; with a temporal term half of each batch are second frames, so its size is even.

    Attributes:
        steps_per_epoch: batches an epoch.
        size: side of a window in pixels, a multiple of 4.
        temporal: weight of the temporal term; 0 trains on single windows.
        lightness: weight of ``losses.style.lightness_loss``.
        first_style: fraction of the style weight in the first step.
    """

    steps_per_epoch: int
    size: int
    temporal: float = 0.0
    lightness: float = 0.0
    first_style: float = FIRST_STYLE

    def style_fraction(self, step: int) -> float:
        """The fraction of the style weight in a step, from 0: it grows geometrically, and is 1 in the last third."""
        progress = min(1.0, 1.5 * step / max(1, self.epochs * self.steps_per_epoch))
        return self.first_style ** (1 - progress)


@dataclass(frozen=True, eq=False)
class StyleTargets:
    """All styles as the loss compares them.

    Attributes:
        grams: layer -> mean Gram matrices, float32 ``(S, C, C)``.
        scales: layer -> what the loss of each style is divided by, ``(S,)``.
    """

    grams: dict[str, Any]
    scales: dict[str, Any]

    @classmethod
    def stack(cls, styles: Sequence[StyleTarget]) -> "StyleTargets":
        """Stack the targets of single styles."""
        names = styles[0].grams
        grams = {name: ops.concatenate([style.grams[name] for style in styles]) for name in names}
        return cls(grams, {name: ops.convert_to_tensor([style.scale(name) for style in styles]) for name in names})

    @classmethod
    def at_window_size(
        cls, styles: Sequence[StyleImage], extractor: FeatureExtractor, window: int, style_size: float = 1.0
    ) -> "StyleTargets":
        """The targets for windows of ``window`` pixels; ``style_size`` is that of ``DescentSettings``."""
        side = round(STYLE_MARGIN * style_size * window)
        return cls.stack([StyleTarget(extractor.grams(pad_narrow(resize(style.image, side)))) for style in styles])


def heads(network: keras.Model) -> dict[str, Head]:
    """The layers of a style network that have weights for each style."""
    layers = (layer for layer in network.layers if isinstance(layer, ConditionalInstanceNormalization))
    return {layer.name: Head(axis=0) for layer in layers}


def content_and_style_loss(
    extractor: FeatureExtractor, targets: StyleTargets | None, painted: Any, images: Any, shares: Any
) -> tuple[Any, Any]:
    """Content and style loss of painted images, without their weights: means over the batch.

    Args:
        extractor: anything with the ``layers`` and the ``extract`` of a ``FeatureExtractor``.
        targets: the styles; without them the style loss is nan.
        painted: the painted images, float32 ``(N, H, W, 3)`` in 0..255.
        images: the original images, of the same shape.
        shares: how much of each style, float32 ``(N, S)``.
    """
    layers, features = extractor.layers, extractor.extract(painted)
    content = ops.stop_gradient(ops.cast(extractor.extract(images)[layers.content], "float32"))
    squares = ops.maximum(ops.mean(ops.square(content), axis=(1, 2, 3)), SMALLEST_SCALE)
    content_loss = losses.content_loss(features[layers.content], content) / squares
    if targets is None:
        return ops.mean(content_loss), float("nan")
    style_loss = 0.0
    for name, layer_share in layers.style.items():
        grams, scales = mean_gram(features[name]), targets.scales[name]
        by_style = [
            losses.style_loss(grams, targets.grams[name][number][None]) / scales[number]
            for number in range(targets.grams[name].shape[0])
        ]
        style_loss = style_loss + layer_share * ops.sum(shares * ops.stack(by_style, axis=1), axis=1)
    return ops.mean(content_loss), ops.mean(style_loss)


def loss_function(
    extractor: FeatureExtractor, targets: StyleTargets, weights: LossWeights, schedule: Schedule
) -> Callable[[Any, Any], dict[str, Any]]:
    """A function from painted images and the dict of ``window_batches`` to the weighted parts of the loss."""

    def weighted_parts(painted, batch):
        images = ops.cast(batch["images"], "float32")
        content_loss, style_loss = content_and_style_loss(extractor, targets, painted, images, batch["styles"])
        style_weight = batch["style_fraction"][0] * weights.style
        temporal = schedule.temporal
        return {
            "weighted_content": weights.content * content_loss,
            "weighted_style": style_weight * style_loss,
            "smoothness": weights.smoothness * ops.mean(losses.total_variation(painted)),
            "lightness": schedule.lightness * ops.mean(losses.lightness_loss(painted, images)),
            "temporal": temporal * flicker(painted, batch["shift"]) if temporal else ops.zeros(()),
        }

    return weighted_parts


def flicker(painted: Any, shift: Any) -> Any:
    """Mean squared difference, in units of 0..1, between the two painted frames where they show the same.

    Args:
        painted: float32 ``(2 N, H, W, 3)`` in 0..255: the first frames, then the second ones.
        shift: how far the second frames lie below and to the right, int ``(2 N, 2)``, the same for all.
    """
    first, second = ops.split(painted / 255, 2)
    down, across = shift[0, 0], shift[0, 1]
    _, height, width, _ = painted.shape
    rows, columns = ops.arange(SHIFT, height - SHIFT), ops.arange(SHIFT, width - SHIFT)
    moved = ops.take(ops.take(first, rows + down, axis=1), columns + across, axis=2)
    return ops.mean(ops.square(moved - second[:, SHIFT:-SHIFT, SHIFT:-SHIFT]))


def window_batches(
    index: Index, schedule: Schedule, num_styles: int, *, seed: int, cache: PixelCache | None = None
) -> Callable[[int], Iterable]:
    """A function from the number of an epoch to its batches: ``(images, styles)``, and a dict of what the loss needs."""
    is_paired = schedule.temporal > 0
    count = max(1, schedule.batch_size // 2) if is_paired else schedule.batch_size
    border = SHIFT if is_paired else 0
    pipeline = TrainingPipeline(index, schedule.size + 2 * border, count, AUGMENTATION, seed=seed, cache=cache)

    def windows(epoch: int) -> Iterable[np.ndarray]:
        """Batches of ``count`` windows that cycle through all images; incomplete batches are filled up by the next cycle."""
        pending: list[np.ndarray] = []
        for cycle in itertools.count():
            num_read = num_usable = 0
            for batch in pipeline.epoch(epoch * 1000 + cycle).as_numpy_iterator():
                center = slice(border, border + schedule.size)
                usable = batch["image"][has_contrast(batch["image"][:, center, center])]
                num_read, num_usable = num_read + len(batch["image"]), num_usable + len(usable)
                pending.extend(usable)
                if len(pending) >= count:
                    yield np.stack(pending[:count])
                    del pending[:count]
            if not num_usable:
                raise UserError(FLAT if num_read else GONE)

    def batches(epoch: int) -> Iterable:
        rng = np.random.default_rng([seed, epoch, 3])
        for step, images in zip(range(schedule.steps_per_epoch), windows(epoch), strict=False):
            styles = np.eye(num_styles, dtype=np.float32)[(np.arange(count) + step * count) % num_styles]
            shift = np.zeros(2, np.int32)
            if is_paired:
                shift = rng.integers(-SHIFT, SHIFT, 2, endpoint=True).astype(np.int32)
                images, styles = two_frames(images, shift, rng), np.concatenate([styles, styles])
            fraction = schedule.style_fraction(epoch * schedule.steps_per_epoch + step)
            for_loss = {
                "images": images,
                "styles": styles,
                "shift": np.repeat(shift[None], len(images), axis=0),
                "style_fraction": np.full(len(images), fraction, np.float32),
            }
            yield (images, styles), for_loss

    return batches


def has_contrast(images: np.ndarray) -> np.ndarray:
    """Which of uint8 ``(N, H, W, 3)`` are more than a single even color: bool ``(N,)``.

    On an even window each instance normalisation outputs zeros and multiplies the gradient by thirty, all of them together by
    ten to the twentieth, which makes the weights infinite.
    """
    return images.std(axis=(1, 2)).max(axis=1) >= LEAST_CONTRAST


def two_frames(images: np.ndarray, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut two frames, ``shift`` apart and the second one noisy, from uint8 ``(N, H + 2 SHIFT, W + 2 SHIFT, 3)``.

    Returns:
        uint8 ``(2 N, H, W, 3)``: the first frames, then the second ones.
    """
    height, width = (length - 2 * SHIFT for length in images.shape[1:3])
    top, left = SHIFT + shift[0], SHIFT + shift[1]
    first = images[:, SHIFT : SHIFT + height, SHIFT : SHIFT + width]
    second = images[:, top : top + height, left : left + width]
    noisy = (second + rng.normal(0, NOISE, second.shape)).round().clip(0, 255).astype(np.uint8)
    return np.concatenate([first, noisy])


def phase(
    network: keras.Model,
    photographs: Splits,
    schedule: Schedule,
    extractor: FeatureExtractor,
    targets: StyleTargets,
    weights: LossWeights,
    *,
    seed: int,
    cache: PixelCache | None = None,
) -> fit.Phase:
    """The phase that trains a network to paint.

    Args:
        network: ``models.style_network``.
        photographs: scanned; the network is trained on one split, and validated on the other.
        schedule: how long and how fast.
        extractor: computes the features that the loss compares.
        targets: the styles.
        weights: of the parts of the loss.
        seed: draws the windows.
        cache: of the training photographs.
    """
    trainer = AveragingTrainer(network, loss_function(extractor, targets, weights, schedule), PARTS)
    num_styles = network.inputs[1].shape[-1]
    return averaged_phase(
        trainer,
        validator(network, extractor, targets, photographs.val, schedule.size),
        schedule,
        name="network",
        steps_per_epoch=schedule.steps_per_epoch,
        batches=window_batches(photographs.train, schedule, num_styles, seed=seed, cache=cache),
        weight_decay=0.0,
    )


def validator(
    network: keras.Model, extractor: FeatureExtractor, targets: StyleTargets, index: Index, size: int
) -> Callable[[], dict[str, float]]:
    """A function that measures the network as it is: ``content_loss`` and ``style_loss``, means over images and styles.

    Args:
        network: ``models.style_network``.
        extractor: computes the features that the loss compares.
        targets: the styles.
        index: scanned; the center of each image is measured.
        size: side of the images in pixels.
    """
    num_styles = network.inputs[1].shape[-1]
    measure_batch = runtime.compiled(
        lambda images, styles: content_and_style_loss(extractor, targets, network([images, styles]), images, styles)
    )

    def measure() -> dict[str, float]:
        rows = []
        for batch in evaluation_batches(index, size, EVALUATION_BATCH).as_numpy_iterator():
            for style in np.eye(num_styles, dtype=np.float32):
                shares = np.repeat(style[None], len(batch["image"]), axis=0)
                batch_losses = measure_batch(ops.convert_to_tensor(batch["image"]), ops.convert_to_tensor(shares))
                rows.append((len(shares), *(float(loss) for loss in batch_losses)))
        if not rows:
            raise UserError(GONE)
        counts, content_losses, style_losses = np.array(rows).T
        means = (float(np.average(values, weights=counts)) for values in (content_losses, style_losses))
        return dict(zip(("content_loss", "style_loss"), means, strict=True))

    return measure
