"""The meaning of ``weights=`` in every builder: None, "imagenet", or a path.

A file may be in a format of Keras (``.weights.h5``, ``.keras``), or hold a state dict of torchvision, timm or facenet-pytorch
in the format of safetensors or of PyTorch.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.files import open_file
from visionkit.layers.normalization import use_imagenet_statistics
from visionkit.printable import some
from visionkit.progress import bar
from visionkit.weights.keras_files import read_groups
from visionkit.weights.keras_layers import fill_from_groups
from visionkit.weights.tensor_files import read_tensors
from visionkit.weights.torch_layers import fill
from visionkit.weights.torch_pickle import is_counter
from visionkit.weights.whole import Filled

HEAD = "predictions"  # name of the classifier's layer, here and in keras.applications
# Layers that depend on the number of classes, on the size of the image, or on the dimensions of an embedding.
HEADS = ("embedding", "embedding_bn", "fc1", "fc2", HEAD)
SIDES = [[f"side{n}_{part}" for part in ("conv", "bn", "fc", HEAD)] for n in (1, 2)]  # GoogLeNet's, only for training
PEER_NAMES = {"conv_preds": HEAD}  # a 1x1 convolution after the pooling, where visionkit has a dense layer
PEERS = {  # name in visionkit -> name in keras.applications
    "mobilenet": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    **{f"resnet{n}": f"ResNet{n}" for n in (50, 101, 152)},
    **{f"resnet{n}_v2": f"ResNet{n}V2" for n in (50, 101, 152)},
    **{f"efficientnet_b{n}": f"EfficientNetB{n}" for n in range(8)},
}


class WeightsUnavailableError(UserError):
    """Pretrained weights could not be downloaded."""


def layout_of(weights: str | Path | None, layout: str | None = None, *, default: str = "keras") -> str:
    """Choose the layout of a network: padding, epsilon, biases, strides and input.

    Args:
        weights: the builder's ``weights`` argument.
        layout: the builder's ``layout`` argument; None leaves the choice to ``weights``.
        default: the layout without weights, and with Keras' files.

    Returns:
        ``layout`` if it is not None; "torchvision" for files of PyTorch and safetensors, except timm's "tf_...", which hold
        weights that were trained in TensorFlow; otherwise ``default``.

    Raises:
        UserError: the layout is unknown, or there are no "imagenet" weights in it.
    """
    if layout not in (None, default, "torchvision"):
        raise UserError(f"layout={layout!r}: expected {default!r}, 'torchvision' or None.")
    if weights == "imagenet" and layout == "torchvision":
        raise UserError("weights='imagenet' are those of keras.applications: expected layout='keras', or the path of others.")
    if layout is not None:
        return layout
    name = "" if weights in (None, "imagenet") else Path(weights).name
    return default if not name or name.endswith((".h5", ".keras")) or name.startswith("tf_") else "torchvision"


def load_weights(
    model: keras.Model,
    weights: str | Path | None,
    packaged: Callable[[], dict[str, np.ndarray]] | None = None,
    *,
    peer_arguments: dict | None = None,
) -> str | None:
    """Load the weights that a builder's ``weights`` argument names.

    A head that does not fit stays untrained: the layer "predictions" if the number of classes differs; all dense layers if the
    network ends in dense layers over all pixels and the size of the image differs. All other weights are set from the file,
    which is checked before any is set; a line on standard error says what was left out. A ``.keras`` file is not built: only
    its arrays are read.

    Args:
        model: a network of the catalogue, just built; its ``name`` tells which.
        weights: None leaves it untrained; "imagenet"; else a ``.weights.h5``, ``.keras``, safetensors or PyTorch file.
        packaged: reads the state dict of ImageNet weights that were installed with a package.
        peer_arguments: arguments of the network of keras.applications that has the "imagenet" weights.

    Returns:
        the library whose layer names a state dict has: "torchvision", "timm", ...; None for other weights.

    Raises:
        UserError: there are no such weights, or they do not fit.
        WeightsUnavailableError: they could not be downloaded.
    """
    if weights is None:
        return None
    if weights == "imagenet":
        if packaged is not None:
            return fill(model, packaged(), (HEADS,), "the installed file").library
        _load_from_peer(model, peer_arguments or {})
        return None
    path = regular_file(weights)
    if path.name.endswith((".keras", ".weights.h5")):
        filled = fill_from_groups(model, read_groups(path), HEADS, path)
    else:
        filled = fill(model, read_tensors(path), (HEADS, *SIDES), path)
        use_imagenet_statistics(model)
    if said := _left_out(filled):
        print(f"{path}: {said}", file=sys.stderr)
    return filled.library


def regular_file(weights: str | Path, known: str = "imagenet") -> Path:
    """The path of a file of weights; ``known`` names weights that need no file, for the error.

    Raises:
        UserError: there is no such file, or it is a folder, a pipe or a device, or may not be read.
    """
    path = Path(weights)
    try:
        open_file(path).close()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"weights={str(weights)!r}: no such file; expected None, {known!r} or an existing path.") from None
    except (OSError, ValueError) as error:  # a null byte is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"weights={str(weights)!r}: {reason}; expected a file of weights.") from None
    return path


def _left_out(filled: Filled) -> str:
    """A sentence on what a file did not give, or what was not taken; empty if there is nothing to say."""
    counters = sum(is_counter(name) for name in filled.left_out)
    others = [name for name in filled.left_out if not is_counter(name)]
    parts = [f"{counters} counters of training steps"] if counters else []
    parts += [some(others)] if others else []
    parts = [f"left out: {', '.join(parts)}"] if parts else []
    parts += [f"untrained: {', '.join(filled.untrained)}"] if filled.untrained else []
    return f"{filled.used} tensors are loaded; {'; '.join(parts)}." if parts else ""


class _Download:
    """A stream for what Keras prints of a download, which goes to a bar on standard error instead of standard output."""

    def __init__(self, description: str):
        self._description, self._bar = description, None

    def write(self, text: str) -> int:
        """Take a line of Keras' progress bar, "8192/94765736 ...", or another line."""
        if found := re.search(r"(\d+)/(\d+)", text):
            done, total = map(int, found.groups())
            self._bar = self._bar or bar(total=total, description=self._description, unit="B", scale=True)
            self._bar.update(done - self._bar.n)
        return len(text)

    def isatty(self) -> bool:
        """Let Keras print how far it is."""
        return True

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _shown_download(description: str) -> Iterator[None]:
    with closing(_Download(description)) as stream, redirect_stdout(stream):
        yield


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of a network into another with the same layers, in their order.

    Names are not compared, because Keras numbers some layers ("normalization_3") by what was built before.

    Raises:
        UserError: the layers or their shapes differ. Only layers of the head may be absent or have other shapes.
    """
    theirs, ours = (
        {PEER_NAMES.get(layer.name, layer.name): layer for layer in model.layers if layer.weights} for model in (source, target)
    )
    heads = [(theirs.pop(name, None), ours.pop(name, None)) for name in HEADS]
    if [_shapes(layer) for layer in theirs.values()] != [_shapes(layer) for layer in ours.values()]:
        raise UserError(
            f"The weights do not fit {target.name}: they belong to {source.name}, which has {len(theirs)} layers with weights "
            f"where {target.name} has {len(ours)}, or other shapes."
        )
    for their_layer, our_layer in zip(theirs.values(), ours.values(), strict=True):
        our_layer.set_weights(their_layer.get_weights())
    for their_layer, our_layer in heads:
        if their_layer is None and our_layer is None:
            continue
        flat = [] if their_layer is None else [_flat(weight) for weight in their_layer.get_weights()]
        if our_layer is None or [weight.shape for weight in flat] != _shapes(our_layer):
            break  # weights after a layer that does not fit would be meaningless
        our_layer.set_weights(flat)


def _flat(kernel: np.ndarray) -> np.ndarray:
    """The kernel of a 1x1 convolution in the shape of a dense layer's; other arrays unchanged."""
    return kernel.reshape(kernel.shape[-2:]) if kernel.ndim > 2 else kernel


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _load_from_peer(model: keras.Model, peer_arguments: dict) -> None:
    """Let keras.applications download and check its own files, then copy the weights."""
    if model.name not in PEERS:
        raise UserError(
            f"visionkit knows no published 'imagenet' weights for {model.name}; networks that have them: "
            f"{', '.join(sorted([*PEERS, 'efficientnet_lite0']))}."
        )
    whole = HEAD in {layer.name for layer in model.layers} and model.output_shape[-1] == 1000
    try:
        with _shown_download(f"downloading the weights of {model.name}"):
            peer = getattr(keras.applications, PEERS[model.name])(weights="imagenet", include_top=whole, **peer_arguments)
    except ValueError:
        raise
    except Exception as error:  # keras.utils.get_file raises a bare Exception for every failed download
        raise WeightsUnavailableError(
            f"The 'imagenet' weights of {model.name} could not be downloaded ({error}). Connect to a network, "
            "or use efficientnet_lite0, whose ImageNet weights were installed with visionkit."
        ) from error
    copy_weights(peer, model)
