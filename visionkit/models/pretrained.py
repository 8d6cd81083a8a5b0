"""What ``weights=`` means in every builder: None, "imagenet", or a path."""

from collections.abc import Callable
from pathlib import Path

import keras

from visionkit.errors import UserError

PEERS = {  # our name -> the name in keras.applications
    "mobilenet_v2": "MobileNetV2",
    **{f"efficientnet_b{n}": f"EfficientNetB{n}" for n in range(8)},
}


class WeightsUnavailableError(UserError):
    """Pretrained weights could not be downloaded."""


def load_weights(
    model: keras.Model,
    weights: str | Path | None,
    packaged: Callable[[keras.Model], None] | None = None,
    *,
    peer_arguments: dict | None = None,
) -> None:
    """Fill ``model`` as a builder's ``weights`` argument asks.

    A classifier whose number of classes differs from the source's keeps its own, untrained "predictions" layer.

    Args:
        model: a network of the catalogue, freshly built; its ``name`` says which.
        weights: None leaves it untrained; "imagenet"; else a ``.weights.h5`` or ``.keras`` file.
        packaged: loads the ImageNet weights that came with an installed package.
        peer_arguments: passed on to the network of keras.applications whose weights "imagenet" means.

    Raises:
        UserError: no such weights, or they do not fit.
        WeightsUnavailableError: they are to be downloaded, and there is no network.
    """
    if weights is None:
        return
    if weights == "imagenet":
        if packaged is not None:
            packaged(model)
        else:
            _load_from_peer(model, peer_arguments or {})
        return
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"weights={str(weights)!r}: no such file; expected None, 'imagenet' or an existing path.")
    if path.suffix == ".keras":
        copy_by_name(keras.models.load_model(path, compile=False, safe_mode=True), model)
    elif path.name.endswith(".weights.h5"):
        _load_h5(model, path)
    else:
        raise UserError(f"weights={str(weights)!r}: expected a .weights.h5 or a .keras file.")


def copy_by_name(source: keras.Model, target: keras.Model) -> None:
    """Copy every weight of ``target``'s layers from ``source``'s layers of the same names.

    Raises:
        UserError: a layer is missing in ``source`` or has other shapes; "predictions" alone may differ.
    """
    sources = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        if not layer.weights:
            continue
        theirs = sources[layer.name].get_weights() if layer.name in sources else []
        if [w.shape for w in theirs] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(theirs)
        elif layer.name != "predictions":
            raise UserError(
                f"The weights do not fit {target.name}: layer {layer.name!r} has {[w.shape for w in theirs]}, "
                f"expected {[tuple(w.shape) for w in layer.weights]}."
            )


def _load_from_peer(model: keras.Model, peer_arguments: dict) -> None:
    """Let keras.applications download and check its own files, then copy them."""
    if model.name not in PEERS:
        raise UserError(
            f"There are no published 'imagenet' weights for {model.name} here; networks that have them: "
            f"{', '.join(sorted([*PEERS, 'efficientnet_lite0']))}."
        )
    whole = "predictions" in {layer.name for layer in model.layers} and model.output_shape[-1] == 1000
    try:
        peer = getattr(keras.applications, PEERS[model.name])(weights="imagenet", include_top=whole, **peer_arguments)
    except ValueError:
        raise
    except Exception as error:  # keras.utils.get_file raises a bare Exception for every failure of the network
        raise WeightsUnavailableError(
            f"The 'imagenet' weights of {model.name} could not be downloaded ({error}). Connect to a network, "
            "or use efficientnet_lite0, whose ImageNet weights were installed with visionkit."
        ) from error
    copy_by_name(peer, model)


def _load_h5(model: keras.Model, path: Path) -> None:
    try:
        model.load_weights(path)
        return
    except (ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
    has_head = any(layer.name == "predictions" for layer in model.layers)
    try:
        if not has_head:
            raise UserError(reason)
        head_input = model.get_layer("avg_pool").input
        keras.Model(model.inputs, head_input).load_weights(path)
    except (ValueError, KeyError) as error:
        raise UserError(f"{path} does not fit {model.name}: {reason}") from error
