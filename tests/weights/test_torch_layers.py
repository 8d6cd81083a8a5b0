"""PyTorch state dicts in Keras layers, on networks that are small enough to compute by hand."""

import keras
import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.models import build
from visionkit.models.pretrained import HEADS, SIDES
from visionkit.weights.torch_layers import fill

FILTERS, HIDDEN, CLASSES = 3, 4, 5


def tiny_vgg(side: int = 6, classes: int | None = CLASSES) -> keras.Model:
    """Two convolutions, pools, and dense layers over all pixels."""
    x = inputs = keras.Input((side, side + 2, 2))
    for block in (1, 2):
        x = keras.layers.Conv2D(FILTERS, 3, padding="same", activation="relu", name=f"block{block}_conv1")(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x) if block == 2 else x
    if classes is not None:
        x = keras.layers.Dropout(0.5)(keras.layers.Flatten(name="flatten")(x))
        for name in ("fc1", "fc2"):
            x = keras.layers.Dense(HIDDEN, activation="relu", name=name)(x)
        x = keras.layers.Dense(classes, name="predictions")(x)
    return keras.Model(inputs, x, name="vgg_tiny")


@pytest.fixture
def tensors(rng) -> dict[str, np.ndarray]:
    """torchvision's state dict of it."""
    shapes = {"features.0": (FILTERS, 2, 3, 3), "features.2": (FILTERS, FILTERS, 3, 3)}
    shapes |= {"classifier.0": (HIDDEN, 3 * 4 * FILTERS), "classifier.3": (HIDDEN, HIDDEN), "classifier.6": (CLASSES, HIDDEN)}
    return {
        f"{prefix}.{part}": rng.normal(size=shape if part == "weight" else shape[:1]).astype("float32")
        for prefix, shape in shapes.items()
        for part in ("weight", "bias")
    }


def by_hand(tensors: dict[str, np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """The output of PyTorch, whose channels come first, also in flattened maps."""
    x = np.moveaxis(pixels, -1, 1)
    for name in ("features.0", "features.2"):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, tensors[f"{name}.weight"]) + tensors[f"{name}.bias"][:, None, None]
        x = np.maximum(x, 0)
    x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).max((3, 5)).reshape(len(x), -1)
    for name in ("classifier.0", "classifier.3", "classifier.6"):
        x = x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
        x = x if name == "classifier.6" else np.maximum(x, 0)
    return x


def as_timm(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with a head of convolutions, the first as large as the map."""
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    renamed = {f"{names.get(key[:-len(part)], key[:-len(part)])}{part}": array
               for key, array in tensors.items() for part in (".weight", ".bias") if key.endswith(part)}  # fmt: skip
    renamed["pre_logits.fc1.weight"] = renamed["pre_logits.fc1.weight"].reshape(HIDDEN, FILTERS, 3, 4)
    renamed["pre_logits.fc2.weight"] = renamed["pre_logits.fc2.weight"][:, :, None, None]
    return renamed


def test_an_empty_state_dict_lacks_everything():
    with pytest.raises(
        UserError, match=r"the file does not fit vgg_tiny: it lacks features\.0\.weight, .*and layout='torchvision'"
    ):
        fill(tiny_vgg(), {}, (HEADS,), "the file")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_pixels_are_flattened_in_another_order(tensors, rng, library):
    model, pixels = tiny_vgg(), rng.normal(size=(2, 6, 8, 2)).astype("float32")
    assert fill(model, tensors if library == "torchvision" else as_timm(tensors), (HEADS,), "").library == library
    np.testing.assert_allclose(model(pixels), by_hand(tensors, pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"features.0.weight": None}, r"it lacks features\.0\.weight\. Expected"),
        ({"features.0.bias": None, "features.2.weight": None}, r"it lacks features\.0\.bias, features\.2\.weight"),
        ({"features.1.running_mean": (3,)}, r"nothing here is called features\.1\.running_mean\. Expected"),
        ({f"extra.{n}": (1,) for n in range(9)}, r"nothing here is called extra\.0, extra\.1, extra\.2, extra\.3 and 5 more"),
        ({"classifier.6.scale": (1,)}, r"nothing here is called classifier\.6\.scale"),
        ({"features.2.weight": (3, 4, 3, 3)}, r"other shapes in features\.2"),
        ({"features.2.weight": ()}, r"other shapes in features\.2"),
        ({"features.2.bias": (4,)}, r"other shapes in features\.2"),
    ],
)
def test_mismatches_are_named_and_nothing_is_filled(tensors, change, named):
    model = tiny_vgg()
    before = model.get_weights()
    changed = tensors | {key: None if shape is None else np.zeros(shape, "float32") for key, shape in change.items()}
    with pytest.raises(UserError, match=named):
        fill(model, {key: array for key, array in changed.items() if array is not None}, (HEADS,), "the file")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("model", "trained"),
    [
        (tiny_vgg(), 5),
        (tiny_vgg(classes=7), 4),  # all but the classifier
        (tiny_vgg(side=8), 2),  # and what comes behind pixels of another size
        (tiny_vgg(classes=None), 2),
    ],
    ids=["whole", "other classes", "other size", "backbone"],
)
def test_a_mismatched_head_stays_untrained(tensors, model, trained):
    layers = [layer for layer in model.layers if layer.weights]
    before = [layer.get_weights()[0] for layer in layers]
    fill(model, tensors, (HEADS,), "")
    changed = [bool(np.any(old != layer.get_weights()[0])) for old, layer in zip(before, layers, strict=True)]
    assert changed == [True] * trained + [False] * (len(layers) - trained)


def test_a_backbone_fills_a_classifier(tensors):
    model = tiny_vgg()
    fill(model, {key: array for key, array in tensors.items() if key.startswith("features")}, (HEADS,), "")
    np.testing.assert_array_equal(model.get_layer("block1_conv1").get_weights()[1], tensors["features.0.bias"])


def test_a_network_without_a_pytorch_form_is_an_error_that_lists_the_others():
    with pytest.raises(UserError, match="no PyTorch form of lenet5 is known, only of resnet, googlenet, vgg"):
        fill(build("lenet5"), {}, (HEADS, *SIDES), "a.pth")
