"""dlib's face network computes what its definition says, and refuses the weights of other networks."""

import keras
import numpy as np
import pytest
import skimage.data
import skimage.transform

from tests.weights import dlib_files
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.cost import without_weights
from visionkit.models.dlib_face import LEVELS, THRESHOLD, dlib_face
from visionkit.weights.dlib_file import DlibLayer


def random_layers() -> list[DlibLayer]:
    """All layers of the network, with random weights."""
    rng = np.random.default_rng(0)

    def convolution(filters, channels, side, stride):
        size = (filters, channels, side, side)
        kernel = rng.standard_normal(size, "float32") / np.sqrt(np.prod(size[1:]), dtype="float32")
        ranges = ((-1, 1), (0.5, 1), (-1, 1))
        biases, scales, shifts = (rng.uniform(low, high, filters).astype("float32") for low, high in ranges)
        padding = side // 2 if stride == 1 else 0
        settings = (filters, side, side, stride, stride, padding, padding)
        return [DlibLayer("con_4", settings, (kernel, biases)), DlibLayer("affine_", (), (scales, shifts))]

    relu = DlibLayer("relu_")
    layers = [*convolution(32, 3, 7, 2), relu, DlibLayer("max_pool_2", (3, 3, 2, 2, 0, 0))]
    channels = 32
    for filters, blocks, shrinks in LEVELS:
        for block in range(blocks):
            down = shrinks and block == 0
            layers += [*convolution(filters, channels, 3, 2 if down else 1), relu, *convolution(filters, filters, 3, 1)]
            layers += [DlibLayer("avg_pool_2", (2, 2, 2, 2, 0, 0))] * down + [DlibLayer("add_prev_"), relu]
            channels = filters
    weights = rng.standard_normal((256, 128), "float32")
    return [*layers, DlibLayer("avg_pool_2", (0, 0, 1, 1, 0, 0)), DlibLayer("fc_2", (128, 256), (weights,))]


@pytest.fixture(scope="module")
def layers() -> list[DlibLayer]:
    return random_layers()


@pytest.fixture
def load(tmp_path):
    def from_layers(layers, **options):
        (tmp_path / "faces.dat").write_bytes(dlib_files.network(layers, **options))
        return dlib_face(weights=tmp_path / "faces.dat")

    return from_layers


def windows(x, side, stride):
    """``(H, W, C)`` to ``(h, w, C, side, side)``."""
    return np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(0, 1))[::stride, ::stride]


def reference(layers: list[DlibLayer], pixels: np.ndarray) -> np.ndarray:
    """The embedding that dlib computes for one image ``(H, W, 3)``, layer by layer."""
    x = (pixels - np.array(dlib_files.MEAN)) / 256
    carried, previous = None, ""
    for layer in layers:
        if layer.kind == "con_4":
            kernel, biases = layer.arrays
            padding = layer.settings[5]
            x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
            x = np.einsum("hwcij,ocij->hwo", windows(x, kernel.shape[2], layer.settings[3]), kernel, optimize=True) + biases
        elif layer.kind == "affine_":
            x = x * layer.arrays[0] + layer.arrays[1]
        elif layer.kind == "relu_":
            x = np.maximum(x, 0)
            carried = x if previous == "add_prev_" else carried
        elif layer.kind == "max_pool_2":
            carried = x = windows(x, 3, 2).max((-2, -1))
        elif layer.kind == "avg_pool_2" and layer.settings[0]:
            carried = windows(carried, 2, 2).mean((-2, -1))
        elif layer.kind == "add_prev_":  # the smaller one is filled up with zeros
            sides = np.maximum(x.shape, carried.shape)
            x = sum(
                np.pad(part, [(0, side - has) for side, has in zip(sides, part.shape, strict=True)]) for part in (x, carried)
            )
        elif layer.kind == "avg_pool_2":
            x = x.mean((0, 1))
        else:
            x = x @ layer.arrays[0]
        previous = layer.kind
    return x


def test_no_weights_and_no_shape_build_the_published_network():
    model = dlib_face()
    assert model.input_shape == (None, 150, 150, 3) and model.output_shape == (None, 128) and THRESHOLD == 0.6
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == 5_614_592
    assert models.dlib_face is dlib_face


def test_the_levels_have_the_published_sides():
    model = dlib_face()
    assert model.get_layer("stem_conv").output.shape[1:] == (72, 72, 32)
    for level, side in enumerate((35, 17, 8, 4, 2), start=1):
        assert model.get_layer(f"level{level}_block1_out").output.shape[1:] == (side, side, LEVELS[level - 1].filters)
    assert [layer.name for layer in model.layers if layer.name.endswith("1_pad")] == ["level4_block1_pad", "level5_block1_pad"]


@pytest.mark.parametrize("shape", [(150, 2), (103, 131, 3), (103, 104, 105, 1)], ids=["signal", "image", "volume"])
def test_signals_volumes_and_other_sides(shape):
    assert without_weights(lambda: dlib_face(shape)).output_shape == (None, 128)


@pytest.mark.parametrize("shape", [(None, None, 3), (102, 150, 3)])
def test_unknown_and_small_sides_are_errors(shape):
    with pytest.raises(UserError, match=r"expected known sides of 103 or more"):
        dlib_face(shape)


def test_the_embedding_is_that_of_the_definition(layers, load, tmp_path):
    model = load(layers)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 150, 150, 3)).astype("float32")
    expected = np.stack([reference(layers, each) for each in pixels])
    np.testing.assert_allclose(model(pixels), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for name in ("model.keras", "model.weights.h5"):
        np.testing.assert_array_equal(dlib_face(weights=str(tmp_path / name))(pixels), model(pixels))


def test_inference_mode_uses_the_stored_statistics_in_training(layers, load):
    from visionkit.layers.inference_mode import InferenceMode

    model = load(layers)
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 150, 150, 3)).astype("float32")
    embeddings = InferenceMode(model)(keras.ops.convert_to_tensor(pixels), training=True)
    np.testing.assert_allclose(embeddings, model(pixels), rtol=1e-3, atol=1e-3 * np.abs(embeddings).max())


def test_missing_weights_are_an_error():
    for weights in ("imagenet", "nowhere.dat"):
        with pytest.raises(UserError, match=rf"weights='{weights}': no such file; expected None, 'dlib' or an existing path"):
            dlib_face(weights=weights)


@pytest.mark.exhaustive
def test_the_first_difference_to_another_network_is_named(layers, load):
    unpadded = layers[4]._replace(settings=(32, 3, 3, 1, 1, 0, 0))
    narrow = DlibLayer("affine_", (), (np.ones(5, "float32"), np.ones(5, "float32")))
    changes = {
        r"layer 5 is con_4 \(32, 3, 3, 1, 1, 0, 0\), expected con_4 \(32, 3, 3, 1, 1, 1, 1\)": [*layers[:4], unpadded],
        r"layer 3 is max_pool_2 .*, expected relu_ \(\)": [*layers[:2], *layers[3:]],
        r"107 layers, expected 108": layers[:-1],
        r"layer 2 has other shapes than stem_bn": [layers[0], narrow, *layers[2:]],
    }
    for complaint, changed in changes.items():
        with pytest.raises(UserError, match=rf"faces\.dat does not fit dlib_face: {complaint}"):
            load(changed)


def test_another_mean_is_an_error(layers, load):
    with pytest.raises(UserError, match=r"subtracts \(1\.0, 2\.0, 3\.0\) from the pixels"):
        load(layers, mean=(1, 2, 3))


def test_the_published_weights_recognise_a_face_and_distinguish_others():
    """Three crops of one face of scikit-image, and small gray faces of others."""
    model = dlib_face(weights="dlib")
    astronaut = skimage.data.astronaut()
    views = [astronaut[top : top + 170, left : left + 170] for top, left in ((20, 140), (25, 135), (15, 143))]
    others = [np.repeat((255 * face)[..., None], 3, -1) for face in skimage.data.lfw_subset()[:100:20]]
    chips = [skimage.transform.resize(view.astype("float32"), (150, 150), anti_aliasing=True) for view in views + others]
    embeddings = np.asarray(model(np.stack(chips).astype("float32")))
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=-1)
    assert distances[:3, :3].max() < THRESHOLD < distances[:3, 3:].min()
    np.testing.assert_allclose(np.linalg.norm(embeddings[0]), 1.4, atol=0.15)
