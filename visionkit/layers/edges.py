"""Edge filters as a layer: a convolution that is not learnt."""

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
        angle: of a gradient by name, in degrees; see ``ops.filters.edge_kernel``, also for the signs and units of the answer.
        padding: "same" (the image mirrored at its border) or "valid".

    Raises:
        ValueError: an unknown name, or numbers that are no kernel.
    """

    def __init__(
        self, kernel: str | Sequence[Sequence[float]] = "sobel", angle: float = 0.0, *, padding: str = "same", **options: Any
    ):
        super().__init__(**options)
        if not isinstance(kernel, str) and angle:
            raise ValueError(f"angle={angle}: expected it with a kernel's name; turn numbers yourself.")
        numbers = filters.edge_kernel(kernel, angle) if isinstance(kernel, str) else np.array(kernel, np.float32)
        filters.check_kernel(numbers, padding)
        self.kernel = kernel if isinstance(kernel, str) else numbers.tolist()
        self.angle, self.padding = float(angle), padding
        self._numbers = numbers

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The filter's answer ``(N, H, W, C)`` to images ``(N, H, W, C)``, in the layer's compute dtype."""
        return filters.correlate(keras.ops.cast(x, self.compute_dtype), self._numbers, self.padding)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The images' own, or for "valid" smaller by the kernel less one."""
        if self.padding == "same":
            return tuple(input_shape)
        batch, *sides, channels = input_shape
        return batch, *(side and side - taken + 1 for side, taken in zip(sides, self._numbers.shape, strict=True)), channels

    def get_config(self) -> dict[str, Any]:
        """For ``.keras`` files."""
        return super().get_config() | {"kernel": self.kernel, "angle": self.angle, "padding": self.padding}
