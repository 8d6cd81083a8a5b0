"""Endpoints: a backbone's feature maps, named by how many times smaller than the input they are.

Detection, segmentation and style heads ask for ``stride_8``, never for a layer index.
"""

from collections.abc import Iterable, Sequence

import keras

from visionkit.errors import UserError

STRIDES = (2, 4, 8, 16, 32)
CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
AFTER_A_CONVOLUTION = (keras.layers.BatchNormalization, keras.layers.Activation, keras.layers.ReLU)


class Endpoints(dict):
    """Feature maps collected while a builder runs: ``{"stride_4": tensor, ...}``; the deepest of a stride wins."""

    def add(self, stride: int, x: keras.KerasTensor) -> None:
        """Remember ``x`` as the feature map at ``stride``, replacing a shallower one."""
        self[f"stride_{stride}"] = x


def is_backbone(model: keras.Model) -> bool:
    """Whether a model is a backbone: its outputs are a dict of names such as ``stride_8``."""
    outputs = getattr(model, "output", None) if model.built else None
    return isinstance(outputs, dict) and all(name.startswith("stride_") for name in outputs)


def select_endpoints(backbone: keras.Model, strides: tuple[int, ...] = STRIDES) -> keras.Model:
    """The same backbone with only the outputs at ``strides``.

    Args:
        backbone: a model whose outputs are named ``stride_2 ... stride_32``.
        strides: the strides to keep.

    Returns:
        a model that shares the backbone's layers and weights and returns ``{"stride_N": (n, h, w, c)}``.

    Raises:
        UserError: the backbone has no feature map at one of the strides.
    """
    names = [f"stride_{stride}" for stride in strides]
    outputs = {name: _feature_map(backbone, name) for name in names}
    return keras.Model(backbone.input, outputs, name=backbone.name)


def check_padding(endpoints: keras.Model, sides: Sequence[int | None]) -> None:
    """Check that each feature map has exactly one place for so many pixels as its stride says: only such maps can be merged.

    Args:
        endpoints: a backbone with the maps that will be merged.
        sides: sides of its input in pixels; where one is unknown, a multiple of all strides is tried.

    Raises:
        UserError: a map is smaller or larger.
    """
    largest = strides_of(endpoints)[-1]
    sides = [side or 8 * largest for side in sides]
    for name, shape in endpoints.compute_output_shape((1, *sides, endpoints.input_shape[-1])).items():
        stride = int(name.removeprefix("stride_"))
        for side, part in zip(sides, shape[1:-1], strict=True):
            if part * stride != side:
                raise UserError(
                    f"{endpoints.name!r} does not pad its maps: a side of {side} pixels has {part} at stride {stride}, "
                    f"expected {side / stride:g}. Choose another base; in Python, models.select_endpoints keeps some maps."
                )


def by_stride(names: Iterable[str]) -> list[str]:
    """The names of feature maps from the finest to the coarsest; a dict may hold them in any order."""
    return sorted(names, key=lambda name: int(name.removeprefix("stride_")))


def strides_of(backbone: keras.Model) -> list[int]:
    """The strides at which a backbone has feature maps, in rising order."""
    return [int(name.removeprefix("stride_")) for name in by_stride(_named_outputs(backbone))]


def deepest(backbone: keras.Model) -> keras.KerasTensor:
    """The symbolic feature map of the largest stride, which a classifier pools."""
    return _named_outputs(backbone)[f"stride_{strides_of(backbone)[-1]}"]


def layers_behind(backbone: keras.Model, stride: int) -> list[keras.layers.Layer]:
    """The layers that come after the feature map of ``stride``, where the image is smaller still.

    The graph decides, not the order of the layers. A layer that is used both before and after the map counts as before it.

    Raises:
        UserError: the backbone has no feature map at the stride.
    """
    feature_map = _feature_map(backbone, f"stride_{stride}")
    before = {id(layer) for layer in keras.Model(backbone.input, feature_map).layers}
    return [layer for layer in backbone.layers if id(layer) not in before]


def stages(backbone: keras.Model) -> list[list[keras.layers.Layer]]:
    """The layers of a backbone by stage, the finest first: a stage ends with the feature map of a stride.

    Layers behind the last map belong to the last stage.
    """
    strides = strides_of(backbone)
    behind = [{id(layer) for layer in layers_behind(backbone, stride)} for stride in strides]
    found: list[list[keras.layers.Layer]] = [[] for _ in strides]
    for layer in backbone.layers:
        found[min(sum(id(layer) in each for each in behind), len(strides) - 1)].append(layer)
    return found


def freeze(backbone: keras.Model, up_to_stride: int | None) -> list[keras.layers.Layer]:
    """Freeze the layers of a backbone up to the feature map of a stride, and unfreeze the others.

    A model that contains the backbone shares its layers; compile it again afterwards.

    Args:
        backbone: a model whose outputs are named ``stride_2 ... stride_32``.
        up_to_stride: the stride of the last feature map that stays as it is; the largest freezes the whole backbone, None
            freezes nothing.

    Returns:
        the layers that are trained now.

    Raises:
        UserError: the backbone has no feature map at the stride.
    """
    trained = backbone.layers if up_to_stride is None else layers_behind(backbone, up_to_stride)
    chosen = {id(layer) for layer in trained}
    for layer in backbone.layers:
        layer.trainable = id(layer) in chosen
    return trained


def without_top(backbone: keras.Model) -> keras.Model:
    """A backbone without the 1x1 convolution by which EfficientNet and MobileNetV2 widen their last map before it is pooled.

    Classifiers want those 1280 channels; a decoder would have to reduce them again. Other backbones are returned unchanged.
    """
    operation, read = _producer(deepest(backbone))
    while isinstance(operation, AFTER_A_CONVOLUTION):
        operation, read = _producer(read)
    widens = isinstance(operation, CONVOLUTIONS) and set(operation.kernel_size) == {1} and operation.filters > read.shape[-1]
    if not widens:
        return backbone
    outputs = _named_outputs(backbone)
    return keras.Model(backbone.input, outputs | {f"stride_{strides_of(backbone)[-1]}": read}, name=backbone.name)


def _producer(tensor: keras.KerasTensor) -> tuple[keras.Operation, keras.KerasTensor | None]:
    """The operation that returned a tensor, and the first tensor that it read in that call."""
    operation, call, _ = tensor._keras_history
    return operation, next(iter(operation._inbound_nodes[call].input_tensors), None)


def _feature_map(backbone: keras.Model, name: str) -> keras.KerasTensor:
    outputs = _named_outputs(backbone)
    if name not in outputs:
        known = ", ".join(by_stride(outputs))
        raise UserError(f"{backbone.name} has no endpoint {name!r}; it has {known}. Choose another base, or one of these.")
    return outputs[name]


def _named_outputs(backbone: keras.Model) -> dict:
    if not is_backbone(backbone):
        raise ValueError(
            f"{backbone.name!r} is not a backbone: its outputs are not named by stride. Build it with num_classes=None, for "
            "example models.mobilenet_v2((224, 224, 3), None), or make one of any Keras model: models.backbone(model)."
        )
    return backbone.output
