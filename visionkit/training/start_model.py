"""Training on from a finished model (``--from``): its network and weights, for the same classes or for others."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from visionkit.bundle_files import EXTRA, check_files, find_bundle, read_metadata
from visionkit.errors import UserError
from visionkit.files import resolved
from visionkit.models.network_files import read_network
from visionkit.printable import some
from visionkit.training.recipe_names import command_of


class Head(NamedTuple):
    """How the last axis of a layer's weights is ordered: groups, each with some other outputs, then one for each class.

    Attributes:
        groups: how many groups, such as the anchors of a cell.
        others: outputs of each group before those of the classes, such as the offsets of a box.
        axis: the axis of the outputs.
    """

    groups: int = 1
    others: int = 0
    axis: int = -1


@dataclass(frozen=True)
class StartModel:
    """A finished model from which training goes on.

    Attributes:
        folder: the bundle.
        metadata: its ``bundle.json``; "training" holds the recipe that made it, and the options that shape its network.
    """

    folder: Path
    metadata: dict[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that it knows."""
        return tuple(self.metadata["labels"])

    @property
    def options(self) -> dict[str, Any]:
        """The options of its recipe that shape its network."""
        return self.metadata["training"]["options"]

    @functools.cached_property
    def network(self) -> keras.Model:
        """Its network.

        Raises:
            UserError: the files are damaged.
        """
        return read_network(self.folder / EXTRA)


def start_model(path: str | Path, recipe: str) -> StartModel:
    """Find the model to train on from.

    Args:
        path: a run, its ``model/``, or a saved model.
        recipe: the name of the recipe that wants to.

    Raises:
        UserError: there is none, or another recipe made it, or it keeps no network to train.
    """
    folder = resolved(path, "--from")
    if (folder / "config.json").is_file() and not (folder / "model").is_dir():
        raise UserError(f"--from {path}: this run has no model/ yet; finish it with --resume {path}.")
    folder = find_bundle(folder)
    metadata = read_metadata(folder)
    training = metadata.get("training")
    if not isinstance(training, dict) or not isinstance(training.get("options"), dict):
        raise UserError(
            f"--from {path}: this model keeps no network to train: an earlier version of visionkit exported it, or no recipe "
            "did. Train it again."
        )
    if training.get("recipe") != recipe:
        theirs, ours = command_of(str(training.get("recipe"))), command_of(recipe)
        raise UserError(
            f"--from {path}: `{theirs}` made this model, and `{ours}` cannot train it on; train it on with `{theirs}`."
        )
    check_files(folder)
    return StartModel(folder, metadata)


def take_weights(start: StartModel, network: keras.Model, class_names: Sequence[str], heads: Mapping[str, Head]) -> str:
    """Give a network the weights of a finished model; outputs of classes that both have are kept, by name.

    Args:
        start: the finished model.
        network: a network that the same recipe built with the same options, for ``class_names``.
        class_names: in the order of its outputs.
        heads: the layers that have an output for each class, by name.

    Returns:
        a sentence on what was kept.

    Raises:
        UserError: the layers differ.
    """
    theirs, ours = (list(model.weights) for model in (start.network, network))
    outside = [[weight for weight in weights if _layer(weight) not in heads] for weights in (theirs, ours)]
    shapes = [[tuple(weight.shape) for weight in weights] for weights in outside]
    inside = [{_place(weight): weight for weight in weights if _layer(weight) in heads} for weights in (theirs, ours)]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"--from {start.folder}: its network has {len(theirs)} weights, and the one to train {len(ours)}, or other shapes: "
            "leave out options that change the network."
        )
    for source, target in zip(*outside, strict=True):
        target.assign(source)
    for place, target in inside[1].items():
        if place in inside[0]:
            target.assign(_by_class(inside[0][place], target, start.class_names, class_names, heads[_layer(target)]))
    return _kept(start, class_names, has_head=bool(heads))


def _by_class(source: Any, target: Any, old: Sequence[str], new: Sequence[str], head: Head) -> np.ndarray:
    """The target's weights, with those of the source for its other outputs, and for the classes that both have."""
    source, target = (np.moveaxis(keras.ops.convert_to_numpy(each), head.axis, -1) for each in (source, target))
    if source.shape[:-1] != target.shape[:-1]:
        return np.moveaxis(target, -1, head.axis)
    if source.shape[-1] != head.groups * (head.others + len(old)):
        raise UserError(f"--from: its network has {source.shape[-1]} outputs in a layer for {len(old)} labels: it is damaged.")
    stored = source.reshape(*source.shape[:-1], head.groups, head.others + len(old))
    result = target.reshape(*target.shape[:-1], head.groups, head.others + len(new)).copy()
    result[..., : head.others] = stored[..., : head.others]
    for number, name in enumerate(new):
        if name in old:
            result[..., head.others + number] = stored[..., head.others + old.index(name)]
    return np.moveaxis(result.reshape(target.shape), -1, head.axis)


def _kept(start: StartModel, class_names: Sequence[str], *, has_head: bool) -> str:
    old, new = start.class_names, tuple(class_names)
    kept, added, dropped = ([n for n in new if n in old], [n for n in new if n not in old], [n for n in old if n not in new])
    where = f"Training goes on from {start.folder}"
    if not has_head:
        return f"{where}."
    if not kept:
        return f"{where}: none of its {len(old)} classes is here, so the outputs for {some(added)} are new."
    if not added and not dropped:
        return f"{where}, with the same {len(new)} classes."
    sentence = f"{where}: the outputs for {some(kept)} are kept"
    sentence += f", those for {some(added)} are new" if added else ""
    return sentence + (f", those for {some(dropped)} are left out." if dropped else ".")


def _layer(weight: Any) -> str:
    return weight.path.split("/")[-2] if "/" in weight.path else ""


def _place(weight: Any) -> str:
    return "/".join(weight.path.split("/")[-2:])
