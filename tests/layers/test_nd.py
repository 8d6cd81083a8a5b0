"""One name for a layer, whatever the rank."""

import numpy as np
import pytest

from visionkit.layers import nd


def test_an_unavailable_rank_is_an_error_that_lists_the_available_ones():
    with pytest.raises(ValueError, match=r"no DepthwiseConv layer .* an image"):
        nd.layer("DepthwiseConv", np.zeros((1, 8, 8, 8, 1)))


@pytest.mark.parametrize(
    ("filters", "shapes"),
    [
        ((16,), [(14, 1), (10, 16)]),
        ((16, 32), [(14, 14, 3), (10, 10, 16), (6, 6, 32)]),
        ((16, 32), [(14, 14, 14, 1), (10, 10, 10, 16), (6, 6, 6, 32)]),
    ],
    ids=["signal", "image", "volume"],
)
def test_convolutions_of_side_five_shrink_signals_images_and_volumes_as_in_the_textbook(filters, shapes):
    x = np.ones((2, *shapes[0]), "float32")
    for count, expected in zip(filters, shapes[1:], strict=True):
        convolution = nd.layer("Conv", x)(count, 5)
        channels = x.shape[-1]
        x = convolution(x)
        assert x.shape == (2, *expected)
        assert convolution.count_params() == 5 ** nd.rank(x) * channels * count + count
