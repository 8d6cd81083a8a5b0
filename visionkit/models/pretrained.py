"""The meaning of ``weights=`` in every builder: None, "imagenet", or a path.

A file may be in a format of Keras (``.weights.h5``, ``.keras``), or hold a state dict of torchvision, timm or facenet-pytorch
in the format of safetensors or of PyTorch.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.layers.normalization import use_imagenet_statistics
from visionkit.weights.tensor_files import read_tensors
from visionkit.weights.torch_layers import fill

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
    network ends in dense layers over all pixels and the size of the image differs.

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
            return fill(model, packaged(), (HEADS,), "the installed file")
        _load_from_peer(model, peer_arguments or {})
        return None
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"weights={str(weights)!r}: no such file; expected None, 'imagenet' or an existing path.")
    if path.suffix == ".keras":
        copy_weights(_read_keras_file(path), model)
    elif path.name.endswith(".weights.h5"):
        _load_h5(model, path)
    else:
        whose = fill(model, read_tensors(path), (HEADS, *SIDES), path)
        use_imagenet_statistics(model)
        return whose
    return None


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
        peer = getattr(keras.applications, PEERS[model.name])(weights="imagenet", include_top=whole, **peer_arguments)
    except ValueError:
        raise
    except Exception as error:  # keras.utils.get_file raises a bare Exception for every failed download
        raise WeightsUnavailableError(
            f"The 'imagenet' weights of {model.name} could not be downloaded ({error}). Connect to a network, "
            "or use efficientnet_lite0, whose ImageNet weights were installed with visionkit."
        ) from error
    copy_weights(peer, model)


def _read_keras_file(path: Path) -> keras.Model:
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} cannot be read as a .keras file: {reason}") from error


def _load_h5(model: keras.Model, path: Path) -> None:
    """Load all weights, or all but the head if only the head differs."""
    by_name = {layer.name: layer for layer in model.layers}
    ends = [by_name[name] for name in (HEAD, "flatten", "avg_pool") if name in by_name]
    candidates = [model, *(keras.Model(model.inputs, layer.input) for layer in ends)]
    reasons = []
    for candidate in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras also warns of what does not fit, which is an error below
                candidate.load_weights(path)
            return
        except (ValueError, KeyError, OSError) as error:
            reasons.append(str(error).splitlines()[0])
    raise UserError(f"{path} does not fit {model.name}: {reasons[0]}")
