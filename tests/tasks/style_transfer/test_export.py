"""A stylizer's bundle paints images of any size with TensorFlow alone, as its network does."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.tasks.style_transfer.painters import STYLES, by_hand, export_hand_painter, small_network
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.tasks.style_transfer.export import LITERT_SIDE, enlarge, export_painter, export_stylizer


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    return export_stylizer(network, tmp_path_factory.mktemp("network") / "model", styles=STYLES, metadata={"data": "none"})


@pytest.fixture(scope="module")
def model(bundle):
    return tf.saved_model.load(str(bundle))


@pytest.fixture(scope="module")
def by_hand_model(tmp_path_factory):
    return tf.saved_model.load(
        str(export_hand_painter(tmp_path_factory.mktemp("hand") / "model", most_pixels=4096, multiple=4))
    )


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_no_images_and_the_smallest_ones(model):
    for count, sides in ((0, (5, 7)), (1, (1, 1)), (2, (1, 90)), (3, (2, 9))):
        images = tf.zeros((count, *sides, 3), tf.uint8)
        for outputs in (
            model.signatures["serving_default"](images=images),
            model.signatures["serving_styles"](images=images, shares=tf.fill((count, 2), 0.5)),
        ):
            assert outputs["stylized"].shape == images.shape and outputs["stylized"].dtype == tf.uint8
    assert model.signatures["serving_encoded"](image_bytes=tf.constant([], tf.string))["stylized_png"].shape == (0,)


@pytest.mark.parametrize("sides", [(64, 48), (33, 50), (70, 35), (20, 41)])
def test_it_paints_as_the_network_does_on_mirrored_borders(network, model, rng, sides):
    image = rng.integers(0, 256, (*sides, 3), np.uint8)
    padded = [max(-(-side // 4) * 4, 32) for side in sides]
    starts = [(after - side) // 2 for after, side in zip(padded, sides, strict=True)]
    edges = [(start, after - side - start) for start, after, side in zip(starts, padded, sides, strict=True)]
    padded_image = np.pad(image, (*edges, (0, 0)), mode="reflect")[None].astype(np.float32)
    for shares in ((1, 0), (0, 1), (0.3, 0.7)):
        painted = network([padded_image, np.array([shares], np.float32)], training=False)[0].numpy()
        expected = painted[starts[0] : starts[0] + sides[0], starts[1] : starts[1] + sides[1]]
        stylized = model.serve_styles(image[None], tf.constant([shares], tf.float32))["stylized"][0].numpy()
        np.testing.assert_allclose(stylized, expected, atol=0.51)
    first = model.serve_styles(image[None], [[1.0, 0.0]])["stylized"].numpy()
    np.testing.assert_array_equal(model.serve_images(image[None])["stylized"], first)
    assert (first[0] != stylized).mean() > 0.5  # the styles differ


def test_a_batch_is_painted_like_single_images_each_in_its_style(model, rng):
    images, shares = rng.integers(0, 256, (3, 40, 36, 3), np.uint8), np.eye(2, dtype=np.float32)[[1, 0, 1]]
    together = model.serve_styles(images, shares)["stylized"].numpy()
    for row in range(3):
        alone = model.serve_styles(images[row : row + 1], shares[row : row + 1])["stylized"][0]
        np.testing.assert_array_equal(together[row], alone)


def test_encoded_files_are_painted_like_their_pixels(model, rng):
    images = [rng.integers(0, 256, (*sides, 3), np.uint8) for sides in ((1, 1), (30, 50), (61, 20))]
    files = model.serve_encoded(tf.constant([png_of(image) for image in images]))["stylized_png"].numpy()
    for png, image in zip(files, images, strict=True):
        expected = model.serve_images(image[None])["stylized"][0]
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), expected)


@pytest.mark.parametrize("sides", [(1, 1), (31, 64), (64, 64), (3, 77)])
def test_small_images_are_painted_at_their_size(by_hand_model, rng, sides):
    image = rng.integers(0, 256, (*sides, 3), np.uint8)
    stylized = by_hand_model.serve_styles(image[None], [[0.25, 0.75]])["stylized"][0]
    np.testing.assert_allclose(stylized, by_hand(image, 0.25), atol=1)
    np.testing.assert_array_equal(by_hand_model.serve_images(image[None])["stylized"][0], by_hand(image))


@pytest.mark.parametrize("sides", [(150, 97), (64, 65), (1, 500), (600, 3)])
def test_large_images_are_shrunk_for_the_painter_and_come_back_at_their_size(by_hand_model, photograph, sides):
    image = cv2.resize(photograph, sides[::-1], interpolation=cv2.INTER_AREA)
    stylized = by_hand_model.serve_images(image[None])["stylized"][0].numpy()
    assert stylized.shape == image.shape
    assert np.abs(stylized.astype(int) - by_hand(image)).mean() < 12  # shrinking loses fine detail


def test_the_painter_gets_no_more_pixels_than_allowed(tmp_path):
    """Its color is the number of pixels that it gets."""

    def paint(pixels, shares):
        return tf.ones_like(pixels) * tf.cast(tf.size(pixels) // 3, tf.float32) / 64

    folder = export_painter(paint, [], tmp_path / "m", styles=("s",), metadata={}, multiple=4, smallest=30, most_pixels=8192)
    model = tf.saved_model.load(str(folder))
    for sides, most in (((1, 1), 1024), ((64, 128), 8192), ((200, 301), 9000), ((1, 100_000), 8192), ((20, 3000), 8192)):
        (stylized,) = np.unique(model.serve_images(tf.zeros((1, *sides, 3), tf.uint8))["stylized"])
        assert int(stylized) * 64 <= most and (int(stylized) * 64 > 7000 or sides == (1, 1))


@pytest.mark.parametrize(("sides", "most_pixels"), [((90, 61), 10_000), ((90, 61), 700), ((90, 61), 1), ((20, 68), 99)])
def test_enlarging_in_bands_is_enlarging(rng, sides, most_pixels):
    small = rng.integers(0, 256, (20, 17, 3), np.uint8)
    expected = tf.image.resize(small, sides, method="bicubic", antialias=True)  # which gives the same kernel at the border
    stylized = enlarge(tf.constant(small), tf.constant(sides), most_pixels=most_pixels)
    np.testing.assert_allclose(stylized, np.clip(expected, 0, 255), atol=0.51)


def test_an_optimization_with_gradients_can_paint(tmp_path, rng):
    """Each step of gradient descent halves the distance to the target."""
    target = tf.Variable(200.0, trainable=False)

    def paint(pixels, shares):
        def step(number, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(tf.square(x - target)) * shares[0, 0]
            return number + 1, x - 0.25 * tape.gradient(loss, x)

        return tf.while_loop(lambda number, _: number < 4, step, (tf.constant(0), pixels))[1]

    folder = export_painter(paint, [target], tmp_path / "model", styles=("flat",), metadata={"steps": 4})
    image = rng.integers(0, 256, (9, 40, 3), np.uint8)
    model = tf.saved_model.load(str(folder))
    stylized = model.serve_images(image[None])["stylized"][0]
    np.testing.assert_allclose(stylized, 200 + (image.astype(float) - 200) / 16, atol=0.51)
    metadata = read_metadata(folder)
    assert metadata["litert"].startswith("not converted: ") and metadata["steps"] == 4 and not (folder / LITERT_FILE).exists()


def test_the_litert_model_takes_a_style(bundle, network, rng):
    image = rng.integers(0, 256, (LITERT_SIDE, LITERT_SIDE, 3)).astype(np.float32)
    litert_model = litert.LiteRTModel(bundle / LITERT_FILE)
    for shares in ((1.0, 0.0), (0.4, 0.6)):
        style = np.array(shares, np.float32)
        (stylized,) = litert_model.answer(image, style=style).values()
        np.testing.assert_allclose(stylized, network([image[None], style[None]], training=False)[0], atol=3)


def test_with_one_style_the_litert_model_takes_the_image_alone(tmp_path, rng):
    network = small_network(num_styles=1)
    folder = export_stylizer(network, tmp_path / "model", styles=("one",), metadata={}, half_precision=True)
    image = rng.integers(0, 256, (LITERT_SIDE, LITERT_SIDE, 3)).astype(np.float32)
    (stylized,) = litert.LiteRTModel(folder / LITERT_FILE).answer(image).values()
    expected = network([image[None], np.ones((1, 1), np.float32)], training=False)[0]
    np.testing.assert_allclose(stylized, expected, atol=3)
    model = tf.saved_model.load(str(folder))
    np.testing.assert_allclose(model.serve_images(image[None].astype(np.uint8))["stylized"][0], expected, atol=3)


def test_its_description_says_what_it_is(bundle):
    metadata = read_metadata(bundle)
    assert metadata == {"task": "stylization", "labels": list(STYLES), "size": LITERT_SIDE, "data": "none"}


def test_it_loads_with_nothing_but_tensorflow(bundle, tensorflow_alone):
    code = (
        f"model = tf.saved_model.load({str(bundle)!r})\n"
        "images = tf.fill([1, 9, 11, 3], tf.constant(255, tf.uint8))\n"
        "print(model.signatures['serving_default'](images=images)['stylized'].shape)\n"
    )
    assert tensorflow_alone(code) == "(1, 9, 11, 3)\n"


@pytest.mark.parametrize(
    ("styles", "message"), [(("a",), r"1 names \(a\) for a network of 2 styles"), (("a", "a"), "a name of its own")]
)
def test_bad_styles_are_refused_and_nothing_is_written(network, tmp_path, styles, message):
    with pytest.raises(UserError, match=message):
        export_stylizer(network, tmp_path / "model", styles=styles, metadata={})
    assert list(tmp_path.iterdir()) == []
