"""Which part of a picture a network sees, and how that part becomes its input.

A window is ``[top, left, height, width]`` in pixels. Both training (a random window) and serving (``fit``, ``letterbox``) cut
first and resize once. In training only the window of a JPEG is decoded, at a fraction of its sides where that is enough.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from visionkit.data.sample import IGNORE
from visionkit.ops.colors import PADDING

CENTRAL_SHARE = 0.875  # of the shorter side: the usual protocol of ImageNet, which drops an eighth
MOST_OBLONG = 4 / 3  # sides of a random window
TRIES = 10  # to find a random window that fits


def central_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The central square: int32 ``[top, left, height, width]`` in pixels."""
    side = tf.cast(tf.round(CENTRAL_SHARE * tf.cast(tf.minimum(height, width), tf.float32)), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def random_windows(shapes: np.ndarray, drawn: np.ndarray, area: tuple[float, float]) -> np.ndarray:
    """A random part of each picture, as Inception was trained (https://arxiv.org/abs/1409.4842).

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        drawn: ``(N, 2 * tries + 2)``, uniform in 0..1, from which the windows follow: share and aspect ratio of each try, and
            the corner. The first try that fits in the picture is taken.
        area: bounds of a window's share of the picture's area. Its aspect ratio lies between 3/4 and 4/3. Where no try fits,
            the window is the largest of such a ratio.

    Returns:
        int32 ``(N, 4)``: top, left, height, width, inside the pictures.
    """
    share, log_ratio = drawn[:, :-2:2], drawn[:, 1:-2:2]
    pixels = (area[0] + share * (area[1] - area[0])) * shapes.prod(axis=1, dtype=np.float64)[:, None]
    ratio = MOST_OBLONG ** (2 * log_ratio - 1)
    tried = np.stack([np.sqrt(pixels / ratio), np.sqrt(pixels * ratio)], axis=2).round()  # (N, tries, 2)
    fits = (tried <= shapes[:, None]).all(axis=2)
    sides = tried[np.arange(len(shapes)), fits.argmax(axis=1)]
    largest = np.minimum(shapes, np.round(shapes[:, ::-1] * MOST_OBLONG))
    sides = np.maximum(np.where(fits.any(axis=1)[:, None], sides, largest), 1)
    corners = np.floor(drawn[:, -2:] * (shapes - sides + 1))
    return np.concatenate([corners, sides], axis=1).astype(np.int32)


def random_squares(
    shapes: np.ndarray, drawn: np.ndarray, bounds: tuple[float, float], of: np.ndarray | int | None = None
) -> np.ndarray:
    """A random square window of each picture, which keeps its proportions: for boxes, masks and keypoints.

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        drawn: ``(N, 3)``, uniform in 0..1: side and corner.
        bounds: of the window's side, as a share of ``of``. Where it is longer than the picture, padding is seen around that.
        of: pixels. Default: the picture's longer side.

    Returns:
        int32 ``(N, 4)``. A window lies inside the picture where it is smaller, and around it where it is larger.
    """
    whole = shapes.max(axis=1, keepdims=True) if of is None else of
    sides = np.round((bounds[0] + drawn[:, :1] * (bounds[1] - bounds[0])) * whole)
    sides = np.maximum(sides, 1)
    free = shapes - sides  # negative where the window is the larger one
    corners = np.minimum(free, 0) + np.floor(drawn[:, 1:] * (np.abs(free) + 1))
    return np.concatenate([corners, sides, sides], axis=1).astype(np.int32)


def smallest_sides(
    shapes: np.ndarray, area: tuple[float, float] | None = None, zoom: tuple[float, float] | None = None
) -> np.ndarray:
    """The shortest side in pixels, int ``(N,)``, that a window of each picture can have.

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        area: of ``random_windows``.
        zoom: of ``random_squares``. Without both the window is the whole picture.
    """
    if area is not None:
        sides = np.minimum(np.sqrt(area[0] * shapes.prod(axis=1, dtype=np.float64) / MOST_OBLONG), shapes.min(axis=1))
    elif zoom is not None:
        sides = zoom[0] * shapes.max(axis=1)
    else:
        sides = shapes.min(axis=1)
    return np.maximum(np.floor(sides), 1).astype(int)


def decoding_ratios(windows: np.ndarray, size: int) -> np.ndarray:
    """By how much a JPEG's window may be shrunk while it is decoded, and still has ``size`` pixels a side: 1, 2, 4 or 8.

    Args:
        windows: ``(N, 4)``: top, left, height, width.

    Returns:
        int32 ``(N,)``.
    """
    return ratios_for(windows[:, 2:].min(axis=1), size)


def ratios_for(sides: np.ndarray, size: int) -> np.ndarray:
    """By how much ``sides`` in pixels may be shrunk and have still ``size`` pixels: 1, 2, 4 or 8, int32 ``(N,)``."""
    return np.clip(2 ** np.floor(np.log2(np.maximum(sides // size, 1))), 1, 8).astype(np.int32)


def snapped(windows: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Windows whose corners and sides are multiples of their decoding ratio, so that what is decoded is exactly the window."""
    return windows // ratios[:, None] * ratios[:, None]


def frame_of_whole(shape: tuple[int, int], size: int) -> np.ndarray:
    """Where ``letterbox`` puts a whole picture: int ``[top, left, height, width]`` in pixels of the padded square."""
    sides = np.clip(np.round(np.array(shape) * (size / max(shape))), 1, size).astype(int)
    return np.concatenate([(size - sides) // 2, sides])


def boxes_on_picture(boxes: np.ndarray, shape: tuple[int, int], size: int) -> np.ndarray:
    """Boxes ``(K, 4)``, relative to the square of ``size`` pixels that ``letterbox`` makes, relative to its picture; clipped.

    Args:
        shape: height and width of the picture.
    """
    top, left, height, width = frame_of_whole(shape, size)
    return ((boxes * size - (left, top, left, top)) / (width, height, width, height)).clip(0, 1)


def inside(windows: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The parts of windows that lie in their pictures, at least one pixel each.

    Args:
        windows: ``(N, 4)``.
        shapes: ``(N, 2)``, heights and widths of the pictures.

    Returns:
        int32 ``(N, 4)``: top, left, height, width.
    """
    corners = np.clip(windows[:, :2], 0, shapes - 1)
    ends = np.clip(windows[:, :2] + windows[:, 2:], corners + 1, shapes)
    return np.concatenate([corners, ends - corners], axis=1).astype(np.int32)


def frames(windows: np.ndarray, parts: np.ndarray, size: int) -> np.ndarray:
    """Where the parts of windows come to lie in the network's input, which shows the whole windows.

    Args:
        windows: ``(N, 4)``.
        parts: ``inside(windows, shapes)``.
        size: side of the input in pixels.

    Returns:
        int32 ``(N, 4)``: top, left, height, width in pixels of the input.
    """
    starts = np.round((parts[:, :2] - windows[:, :2]) * size / windows[:, 2:]).astype(np.int32)
    ends = np.round((parts[:, :2] + parts[:, 2:] - windows[:, :2]) * size / windows[:, 2:]).astype(np.int32)
    starts = np.minimum(starts, size - 1)
    return np.concatenate([starts, np.clip(ends, starts + 1, size) - starts], axis=1)


def decode_jpeg_window(contents: tf.Tensor, part: Sequence[int], ratio: int) -> np.ndarray:
    """Decode one window of a JPEG, at ``1 / ratio`` of its sides. Other threads run meanwhile.

    Args:
        contents: scalar string, a JPEG.
        part: ``[top, left, height, width]`` inside the picture, the corner a multiple of ``ratio``.
        ratio: 1, 2, 4 or 8.

    Returns:
        uint8 ``(height / ratio, width / ratio, 3)``, rounded up; not to be written to.

    Raises:
        tf.errors.InvalidArgumentError: it is damaged.
    """
    # Constants, and a fraction that is a float (its default is not): else TensorFlow 2.21 leaves its fast path.
    options = {"ratio": ratio, "acceptable_fraction": 1.0, "dct_method": "INTEGER_ACCURATE"}
    scaled = tf.constant([-(-length // ratio) for length in part], tf.int32)
    return np.asarray(tf.io.decode_and_crop_jpeg(contents, scaled, 3, **options))  # numpy() would copy


def shrink(pixels: np.ndarray, ratio: int) -> np.ndarray:
    """Means of blocks of ``ratio`` x ``ratio`` pixels: 1, 2, 4 or 8. It halves step by step, for which OpenCV is fastest.

    Args:
        pixels: uint8 ``(h, w, 3)``.

    Returns:
        uint8 ``(h / ratio, w / ratio, 3)``, rounded up.
    """
    while ratio > 1:
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        pixels = cv2.resize(pixels, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
        ratio //= 2
    return pixels


def place(pixels: np.ndarray, frame: Sequence[int], size: int, *, is_mask: bool = False) -> np.ndarray:
    """Resize what was cut to its frame in the network's input; what is around it is padding.

    Args:
        pixels: uint8 ``(h, w, 3)``, or ``(h, w)`` of a mask, of any size.
        frame: ``[top, left, height, width]``, from ``frames``.
        size: side of the result in pixels.
        is_mask: classes are not blended.

    Returns:
        uint8 ``(size, size, 3)`` or ``(size, size)``.
    """
    top, left, height, width = frame
    if is_mask:
        kind = cv2.INTER_NEAREST_EXACT
    else:
        kind = cv2.INTER_AREA if min(pixels.shape[0] / height, pixels.shape[1] / width) >= 2 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=kind)
    if height == width == size:
        return resized
    canvas = np.full((size, size, *pixels.shape[2:]), IGNORE if is_mask else PADDING, np.uint8)
    canvas[top : top + height, left : left + width] = resized
    return canvas


def fit(image: tf.Tensor, size: int) -> tf.Tensor:
    """What a classifier sees of a picture: its central window, smoothly resized.

    Args:
        image: uint8 ``(H, W, 3)`` of any size.
        size: side of the result in pixels.

    Returns:
        float32 ``(size, size, 3)`` in 0..255. The pipeline and every exported bundle call this same function.
    """
    shape = tf.shape(image)
    top, left, height, width = tf.unstack(central_window(shape[0], shape[1]))
    window = tf.convert_to_tensor(image)[top : top + height, left : left + width]
    return tf.ensure_shape(tf.image.resize(window, [size, size], antialias=True), [size, size, 3])


def letterbox(image: tf.Tensor, size: int) -> tf.Tensor:
    """What a detector or a segmenter sees of a picture: all of it, in proportion, in the middle of a padded square.

    Args:
        image: uint8 ``(H, W, C)`` of any size, or several of one size, ``(N, H, W, C)``.
        size: side of the result in pixels.

    Returns:
        float32 ``(size, size, C)`` or ``(N, size, size, C)`` in 0..255.
    """
    image = tf.cast(image, tf.float32)  # tf.image.resize would not, where a picture has its size already
    start, sides = letterbox_frame(tf.shape(image)[-3:-1], size)
    resized = tf.image.resize(image, sides, antialias=True)
    after = size - start - sides
    margins = [[0, 0]] * (image.shape.rank - 3) + [[start[0], after[0]], [start[1], after[1]], [0, 0]]
    padded = tf.pad(resized, margins, constant_values=float(PADDING))
    return tf.ensure_shape(padded, [*image.shape[:-3], size, size, image.shape[-1]])


def letterbox_frame(shape: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where ``letterbox`` puts a picture of ``shape`` (height, width): int32 corner and sides, both ``(2,)``."""
    scale = size / tf.reduce_max(shape)
    sides = tf.clip_by_value(tf.cast(tf.round(tf.cast(shape, scale.dtype) * scale), tf.int32), 1, size)
    return (size - sides) // 2, sides
