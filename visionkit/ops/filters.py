"""Edge filters: small fixed kernels that respond where the brightness of an image changes.

A filter is correlated with the image, as in convolution layers: the kernel is not flipped. There are two kinds.

The gradient filters (Prewitt, Sobel, Scharr) respond in levels per pixel: a ramp that grows by 3 levels per pixel gives 3, and
the two pixels beside a step of 10 levels give 5 each. x grows to the right and y downwards; the response is positive where the
image gets brighter along the angle, which turns clockwise from x: 0 degrees points right and so finds vertical edges, 90 points
down. Since a gradient is a vector, the kernel of any angle is ``cos * x kernel + sin * y kernel``. The filters differ in how
they smooth across the gradient: Prewitt takes the plain mean, Sobel doubles the weight of the middle, and Scharr measures the
angle most accurately. scikit-image's ``sobel_v`` has twice these values (levels over two pixels), OpenCV's ``Sobel`` eight
times.

"vertical" and "horizontal" are the kernels of textbooks: the sum of three differences over two pixels, positive where the
*left* or the upper side is brighter. A step from 10 down to 0 gives 30.

Prewitt 1970, Object Enhancement and Extraction. Sobel and Feldman 1968; see Sobel 2014, An Isotropic 3x3 Image Gradient
Operator. Scharr 2000, Optimal Operators in Digital Image Processing. Steering: Freeman and Adelson 1991, The Design and Use of
Steerable Filters, https://doi.org/10.1109/34.93808.
"""

import keras
import numpy as np
from keras import ops

Tensor = keras.KerasTensor

TEXTBOOK = {"vertical": ((1, 0, -1),) * 3, "horizontal": ((1, 1, 1), (0, 0, 0), (-1, -1, -1))}
SMOOTHING = {"prewitt": (1, 1, 1), "sobel": (1, 2, 1), "scharr": (3, 10, 3)}  # across the gradient, up to scale
NAMES = (*TEXTBOOK, *SMOOTHING)


def edge_kernel(name: str, angle: float = 0.0) -> np.ndarray:
    """Return an edge kernel by name.

    Args:
        name: one of ``NAMES``.
        angle: direction of a gradient filter in degrees: the response is positive where the image gets brighter in this
            direction. 0 is to the right, 90 downwards. The two textbook kernels have no other angle than their own.

    Returns:
        float32 ``(3, 3)``.

    Raises:
        ValueError: the name is unknown, or the kernel has no angle.
    """
    if name in SMOOTHING:
        smooth = np.array(SMOOTHING[name]) / sum(SMOOTHING[name])
        along_x = np.outer(smooth, (-0.5, 0, 0.5))
        radians = np.deg2rad(angle)
        return (np.cos(radians) * along_x + np.sin(radians) * along_x.T).astype(np.float32)
    if name not in TEXTBOOK:
        raise ValueError(f"Unknown edge filter {name!r}; expected one of {', '.join(NAMES)}, or a kernel of your own.")
    if angle:
        raise ValueError(f"The filter {name!r} has no angle; expected one of {', '.join(SMOOTHING)} with it.")
    return np.array(TEXTBOOK[name], np.float32)


def check_kernel(kernel: np.ndarray, padding: str) -> None:
    """Check the arguments of ``correlate``.

    Raises:
        ValueError: the padding is unknown, the kernel has another rank, or its sides are even where they must be odd.
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"padding={padding!r}: expected 'same' or 'valid'.")
    if kernel.ndim != 2 or 0 in kernel.shape or (padding == "same" and not all(side % 2 for side in kernel.shape)):
        raise ValueError(f"A kernel of shape {kernel.shape}: expected (h, w), with odd sides for padding='same'.")


def correlate(images: Tensor, kernel: np.ndarray, padding: str = "same") -> Tensor:
    """Correlate each channel with a kernel.

    Args:
        images: ``(H, W)``, ``(H, W, C)`` or ``(N, H, W, C)``; integers become float32.
        kernel: ``(h, w)``; both odd for "same".
        padding: "same" mirrors the image at its border, so that the border is no edge; "valid" only covers positions where the
            kernel lies inside the image, and returns ``h - 1`` rows and ``w - 1`` columns less.

    Returns:
        floats, of the same rank as ``images``.

    Raises:
        ValueError: see ``check_kernel``; or the images have another rank.
    """
    kernel = np.asarray(kernel)
    check_kernel(kernel, padding)
    images = ops.convert_to_tensor(images)
    if not keras.backend.is_float_dtype(images.dtype):
        images = ops.cast(images, "float32")
    rank = len(images.shape)
    if not 2 <= rank <= 4:
        raise ValueError(f"Images of shape {tuple(images.shape)}: expected (H, W), (H, W, C) or (N, H, W, C).")
    x = images if rank == 4 else images[None]
    x = x[..., None] if rank == 2 else x
    if padding == "same":
        margins = [(side // 2, side // 2) for side in kernel.shape]
        x = ops.pad(x, [(0, 0), *margins, (0, 0)], mode="symmetric")
    if x.shape[0] == 0:  # TensorFlow would return an empty batch of another size
        return x[:, kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]
    each_channel = np.repeat(kernel[:, :, None, None], x.shape[-1], axis=2)
    x = ops.depthwise_conv(x, ops.cast(each_channel, x.dtype), padding="valid", data_format="channels_last")
    x = x[..., 0] if rank == 2 else x
    return x if rank == 4 else x[0]


def edge_magnitude(images: Tensor, name: str = "sobel") -> tuple[Tensor, Tensor]:
    """Magnitude and direction of the gradient at each pixel of each channel.

    Args:
        images: as for ``correlate``.
        name: "prewitt", "sobel" or "scharr".

    Returns:
        the magnitude, in levels per pixel, and the direction in which the image gets brighter, in degrees from -180 to 180: 0
        is to the right, 90 downwards. Both have the shape of ``images``. Where the magnitude is 0, the direction is arbitrary.
    """
    along_x, along_y = (correlate(images, edge_kernel(name, angle)) for angle in (0.0, 90.0))
    magnitude = ops.sqrt(along_x * along_x + along_y * along_y)
    return magnitude, ops.arctan2(along_y, along_x) * (180 / np.pi)
