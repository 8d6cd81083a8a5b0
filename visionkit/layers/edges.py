"""Edge filters as a layer: a convolution with a fixed kernel."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from visionkit.ops import filters


@keras.saving.register_keras_serializable("visionkit")
class EdgeFilter(keras.layers.Layer):
    """Correlates each channel with one fixed kernel; it has no weights.

    Args:
        kernel: a name of ``ops.filters.NAMES``, or numbers ``(h, w)``.
        angle: angle of a gradient filter in degrees; see ``ops.filters``, also for signs and units of the output.
        padding: "same" (the image mirrored at its border) or "valid".

    Raises:
        ValueError: the name is unknown, or the numbers are not a valid kernel.
    """

    def __init__(
        self, kernel: str | Sequence[Sequence[float]] = "sobel", angle: float = 0.0, *, padding: str = "same", **options: Any
    ):
        super().__init__(**options)
        if not isinstance(kernel, str) and angle:
            raise ValueError(f"angle={angle}: expected it with the name of a kernel only; rotate a kernel of numbers yourself.")
        numbers = filters.edge_kernel(kernel, angle) if isinstance(kernel, str) else np.array(kernel, np.float32)
        filters.check_kernel(numbers, padding)
        self.kernel = kernel if isinstance(kernel, str) else numbers.tolist()
        self.angle, self.padding = float(angle), padding
        self._numbers = numbers

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The response ``(N, H, W, C)`` to images ``(N, H, W, C)``, in the layer's compute dtype."""
        return filters.correlate(keras.ops.cast(x, self.compute_dtype), self._numbers, self.padding)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the images; for "valid" smaller by the sides of the kernel minus one."""
        if self.padding == "same":
            return tuple(input_shape)
        batch, *sides, channels = input_shape
        return batch, *(side and side - size + 1 for side, size in zip(sides, self._numbers.shape, strict=True)), channels

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"kernel": self.kernel, "angle": self.angle, "padding": self.padding}
