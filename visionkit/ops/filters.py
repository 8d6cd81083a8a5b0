"""Edge filters: small fixed kernels, laid over an image, that answer where its brightness changes.

A filter is correlated with the image, as convolution layers do it: nothing is flipped. There are two kinds.

The gradients (Prewitt, Sobel, Scharr) answer in levels a pixel: a ramp that grows by 3 levels a pixel gives 3, and the two
pixels beside a step of 10 levels give 5 each. x grows to the right and y downwards; the answer is positive where the image
gets brighter along the angle, which turns clockwise from x: 0 degrees looks right and so finds upright edges, 90 looks down.
Since a gradient is a vector, the kernel of any angle is ``cos * x kernel + sin * y kernel``. They differ in how they smooth
across: Prewitt by the plain mean, Sobel weighs the middle twice, and Scharr so that the angle is measured best. scikit-image's
``sobel_v`` has twice these values (levels over two pixels), OpenCV's ``Sobel`` eight times.

"vertical" and "horizontal" are the kernels of textbooks: three differences over two pixels, summed, positive where the *left*
or the upper side is the brighter one. A step from 10 down to 0 gives 30.

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
    """A kernel by name.

    Args:
        name: one of ``NAMES``.
        angle: of a gradient, in degrees: where the image must get brighter for the answer to be positive. 0 is to the right,
            90 downwards. The textbook's two have no other angle than their own.

    Returns:
        float32 ``(3, 3)``.

    Raises:
        ValueError: an unknown name, or an angle for a kernel that has none.
    """
    if name in SMOOTHING:
        smooth = np.array(SMOOTHING[name]) / sum(SMOOTHING[name])
        along_x = np.outer(smooth, (-0.5, 0, 0.5))
        turned = np.deg2rad(angle)
        return (np.cos(turned) * along_x + np.sin(turned) * along_x.T).astype(np.float32)
    if name not in TEXTBOOK:
        raise ValueError(f"Unknown edge filter {name!r}; expected one of {', '.join(NAMES)}, or a kernel of your own.")
    if angle:
        raise ValueError(f"The filter {name!r} has no angle; expected one of {', '.join(SMOOTHING)} with it.")
    return np.array(TEXTBOOK[name], np.float32)


def check_kernel(kernel: np.ndarray, padding: str) -> None:
    """Refuse what ``correlate`` cannot do.

    Raises:
        ValueError: another padding, a kernel of another rank, or of even sides where they must be odd.
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"padding={padding!r}: expected 'same' or 'valid'.")
    if kernel.ndim != 2 or 0 in kernel.shape or (padding == "same" and not all(side % 2 for side in kernel.shape)):
        raise ValueError(f"A kernel of shape {kernel.shape}: expected (h, w), with odd sides for padding='same'.")


def correlate(images: Tensor, kernel: np.ndarray, padding: str = "same") -> Tensor:
    """Lay a kernel over each place of each channel, and sum the products.

    Args:
        images: ``(H, W)``, ``(H, W, C)`` or ``(N, H, W, C)``; integers become float32.
        kernel: ``(h, w)``; for "same" both odd.
        padding: "same" mirrors the image at its border, which so is no edge; "valid" answers only where the kernel lies
            inside the image, and returns ``h - 1`` rows and ``w - 1`` columns less.

    Returns:
        floats of the rank of ``images``.

    Raises:
        ValueError: see ``check_kernel``; or images of another rank.
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
    if x.shape[0] == 0:  # TensorFlow would return no images of another size
        return x[:, kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]
    each_channel = np.repeat(kernel[:, :, None, None], x.shape[-1], axis=2)
    x = ops.depthwise_conv(x, ops.cast(each_channel, x.dtype), padding="valid", data_format="channels_last")
    x = x[..., 0] if rank == 2 else x
    return x if rank == 4 else x[0]


def edge_magnitude(images: Tensor, name: str = "sobel") -> tuple[Tensor, Tensor]:
    """Length and direction of the gradient at each pixel of each channel.

    Args:
        images: as for ``correlate``.
        name: "prewitt", "sobel" or "scharr".

    Returns:
        the length, in levels a pixel; and the direction in which the image gets brighter, in degrees from -180 to 180: 0 is
        to the right, 90 downwards. Both of the shape of ``images``. Where the length is 0, the direction says nothing.
    """
    along_x, along_y = (correlate(images, edge_kernel(name, angle)) for angle in (0.0, 90.0))
    length = ops.sqrt(along_x * along_x + along_y * along_y)
    return length, ops.arctan2(along_y, along_x) * (180 / np.pi)
