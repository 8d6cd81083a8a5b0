"""What ``weights=`` means in every builder: None, "imagenet", or a path.

A path may be Keras' (``.weights.h5``, ``.keras``), or a state dict of torchvision, timm or facenet-pytorch, safetensors or
PyTorch's own.
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

HEAD = "predictions"  # the classifier's layer, here and in keras.applications
# What depends on the number of classes, on the size of the image, or on the dimensions of an embedding.
HEADS = ("embedding", "embedding_bn", "fc1", "fc2", HEAD)
SIDES = [[f"side{n}_{part}" for part in ("conv", "bn", "fc", HEAD)] for n in (1, 2)]  # GoogLeNet's, for training alone
PEER_NAMES = {"conv_preds": HEAD}  # of a 1x1 convolution behind the pooling, where ours is a dense layer
PEERS = {  # our name -> the name in keras.applications
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
    """In whose form a network is to be built: with whose padding, epsilon, biases, strides and input.

    Args:
        weights: what the builder was given.
        layout: what the builder was given; None leaves it to ``weights``.
        default: what it is without weights, and with Keras' files.

    Returns:
        ``layout`` if it is given; "torchvision" for files of PyTorch and safetensors, except timm's "tf_...", which hold what
        was trained in TensorFlow; else ``default``.

    Raises:
        UserError: an unknown layout, or one that "imagenet" weights are not in.
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
    """Fill ``model`` as a builder's ``weights`` argument asks.

    A head that does not fit stays untrained: of other classes its "predictions"; of a network that ends in dense layers over
    all pixels, with images of another size, all of it.

    Args:
        model: a network of the catalogue, freshly built; its ``name`` says which.
        weights: None leaves it untrained; "imagenet"; else a ``.weights.h5``, ``.keras``, safetensors or PyTorch file.
        packaged: reads the state dict of the ImageNet weights that came with an installed package.
        peer_arguments: passed on to the network of keras.applications whose weights "imagenet" means.

    Returns:
        whose names the layers had in a state dict, "torchvision", "timm", ...; of other weights None.

    Raises:
        UserError: no such weights, or they do not fit.
        WeightsUnavailableError: they are to be downloaded, and there is no network.
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
    """Copy the weights of a network into another of the same layers, in their order.

    Names do not decide: Keras numbers some of them ("normalization_3") by what was built before.

    Raises:
        UserError: the layers or their shapes differ; those of the head alone may be absent or have other shapes.
    """
    theirs, ours = (
        {PEER_NAMES.get(layer.name, layer.name): layer for layer in model.layers if layer.weights} for model in (source, target)
    )
    heads = [(theirs.pop(name, None), ours.pop(name, None)) for name in HEADS]
    if [_shapes(layer) for layer in theirs.values()] != [_shapes(layer) for layer in ours.values()]:
        raise UserError(
            f"The weights do not fit {target.name}: they are of {source.name}, with {len(theirs)} layers that have weights "
            f"where {target.name} has {len(ours)}, or with other shapes."
        )
    for their_layer, our_layer in zip(theirs.values(), ours.values(), strict=True):
        our_layer.set_weights(their_layer.get_weights())
    for their_layer, our_layer in heads:
        if their_layer is None and our_layer is None:
            continue
        flat = [] if their_layer is None else [_flat(weight) for weight in their_layer.get_weights()]
        if our_layer is None or [weight.shape for weight in flat] != _shapes(our_layer):
            break  # what comes behind a layer that does not fit would be nonsense
        our_layer.set_weights(flat)


def _flat(kernel: np.ndarray) -> np.ndarray:
    """The weights of a 1x1 convolution as those of a dense layer; others as they are."""
    return kernel.reshape(kernel.shape[-2:]) if kernel.ndim > 2 else kernel


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _load_from_peer(model: keras.Model, peer_arguments: dict) -> None:
    """Let keras.applications download and check its own files, then copy them."""
    if model.name not in PEERS:
        raise UserError(
            f"There are no published 'imagenet' weights for {model.name} here; networks that have them: "
            f"{', '.join(sorted([*PEERS, 'efficientnet_lite0']))}."
        )
    whole = HEAD in {layer.name for layer in model.layers} and model.output_shape[-1] == 1000
    try:
        peer = getattr(keras.applications, PEERS[model.name])(weights="imagenet", include_top=whole, **peer_arguments)
    except ValueError:
        raise
    except Exception as error:  # keras.utils.get_file raises a bare Exception for every failure of the network
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
    """Load all of it, or where only the head differs, all but the head."""
    by_name = {layer.name: layer for layer in model.layers}
    ends = [by_name[name] for name in (HEAD, "flatten", "avg_pool") if name in by_name]
    candidates = [model, *(keras.Model(model.inputs, layer.input) for layer in ends)]
    reasons = []
    for candidate in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what does not fit is an error below; Keras warns of it besides
                candidate.load_weights(path)
            return
        except (ValueError, KeyError, OSError) as error:
            reasons.append(str(error).splitlines()[0])
    raise UserError(f"{path} does not fit {model.name}: {reasons[0]}")
