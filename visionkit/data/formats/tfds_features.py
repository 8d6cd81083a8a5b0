"""Chooses features of a data set of tensorflow-datasets, and reads annotations from its records.

The annotation of an image is the first of these that the data set has: its mask (a ``LabeledImage``, or a second image with a
name that masks have), its boxes (a sequence that holds a ``BBoxFeature``, with the ``ClassLabel`` next to it), its label (a
``ClassLabel``, or a text "label"). Where labels are asked for, they go first.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import are_sound
from visionkit.data.images.records import Place, iterate_records, parse_example
from visionkit.data.index import Annotation, DataError, Index, Objects, Problem, natural_order
from visionkit.progress import bar

MASK_NAME = re.compile("mask|seg|label|annotation|gt", re.IGNORECASE)
OBJECT_ATTRIBUTES = {"is_crowd": "iscrowd", "is_difficult": "difficult", "is_truncated": "truncated"}
BOX_ORDERS = {"REL_YXYX": [1, 0, 3, 2], "REL_XYXY": [0, 1, 2, 3]}  # positions of x1, y1, x2, y2 in a stored box


class Roles(NamedTuple):
    """The features that are used, by their names in a record; None if there is no such feature.

    Attributes:
        image, mask: features with the encoded images.
        boxes, classes: features with the boxes and classes of the objects.
        label: feature with the label of the image.
        is_text: whether that is a text; the class names are then the texts that occur.
        class_names: class names of the mask, the objects or the image; empty if a mask feature has none.
        box_order: positions of x1, y1, x2, y2 in a stored box.
        attributes: pairs of a name in ``Objects.attributes`` and the feature that holds it.
    """

    image: str
    mask: str | None = None
    boxes: str | None = None
    classes: str | None = None
    label: str | None = None
    class_names: tuple[str, ...] = ()
    box_order: list[int] = BOX_ORDERS["REL_YXYX"]
    attributes: tuple[tuple[str, str], ...] = ()
    is_text: bool = False


def find_roles(features: Any, named: str, *, labels_first: bool = False) -> tuple[Roles, list[str]]:
    """Choose the role of each feature.

    Args:
        features: the ``FeaturesDict`` of a data set.
        named: name of the data set for messages.
        labels_first: whether labels go before masks and boxes.

    Returns:
        the roles, and the names of the images, labels and sequences that are not used.

    Raises:
        DataError: there is no image, or no annotation that can be used.
    """
    import tensorflow_datasets as tfds

    flat = _flat(features)
    image_features = {name: feature for name, feature in flat if isinstance(feature, tfds.features.Image)}
    labels = {name: feature for name, feature in flat if isinstance(feature, tfds.features.ClassLabel)}
    sequences = {name: feature.feature for name, feature in flat if isinstance(feature, tfds.features.Sequence)}
    listed = ", ".join(name for name, _ in flat)
    masks = [name for name, feature in image_features.items() if len(image_features) > 1 and _is_mask(name, feature)]
    images = [name for name in image_features if name not in masks]
    if not images:
        raise DataError(f"{named}: there is no image among its features: {listed}.")
    image = "image" if "image" in images else images[0]
    if image_features[image].np_dtype not in (np.uint8, np.uint16):
        raise DataError(f"{named}: the images are {np.dtype(image_features[image].np_dtype)}; expected 8 or 16 bits.")
    label = "label" if "label" in labels else next(iter(labels), None)
    if label is not None and labels_first:
        roles = Roles(image, label=label, class_names=_names(labels[label], named))
    elif masks:
        roles = Roles(image, mask=masks[0], class_names=_names(image_features[masks[0]], named))
    elif (group := _boxes_and_classes(sequences)) is not None:
        roles = _object_roles(image, group, named)
    elif label is not None:
        roles = Roles(image, label=label, class_names=_names(labels[label], named))
    elif isinstance(dict(flat).get("label"), tfds.features.Text):  # as in lfw: the name of the person
        roles = Roles(image, label="label", is_text=True)
    else:
        raise DataError(f"{named}: there is no label, box or mask of a known kind among its features: {listed}.")
    used = (image, roles.mask, roles.label, roles.boxes, roles.classes, (roles.boxes or "").rpartition("/")[0])
    return roles, [name for name in (*image_features, *labels, *sequences) if name not in used]


def _flat(features: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Features by their names in a record; sequences are not flattened."""
    import tensorflow_datasets as tfds

    flat = []
    for name, feature in features.items():
        nested = isinstance(feature, tfds.features.FeaturesDict)
        flat += _flat(feature, f"{prefix}{name}/") if nested else [(prefix + name, feature)]
    return flat


def _is_mask(name: str, feature: Any) -> bool:
    import tensorflow_datasets as tfds

    return isinstance(feature, tfds.features.LabeledImage) or (MASK_NAME.search(name) is not None and name != "image")


def _names(feature: Any, named: str) -> tuple[str, ...]:
    """Class names of a ``ClassLabel`` or ``LabeledImage``; numbers if it has no names; empty for other images."""
    count = getattr(feature, "num_classes", None)
    if count is None and hasattr(feature, "int2str"):
        raise DataError(f"{named}: it does not declare how many classes it has.")
    return tuple(map(str, feature.names or range(count))) if count is not None else ()


def _boxes_and_classes(sequences: dict[str, Any]) -> dict[str, Any] | None:
    """Features of the first sequence that holds boxes; all sequences of a single feature count as one group."""
    import tensorflow_datasets as tfds

    alone = {name: inner for name, inner in sequences.items() if not isinstance(inner, tfds.features.FeaturesDict)}
    groups = [{f"{name}/{key}": feature for key, feature in sequences[name].items()} for name in sequences if name not in alone]
    kinds = tfds.features.BBoxFeature
    return next((group for group in (*groups, alone) if any(isinstance(feature, kinds) for feature in group.values())), None)


def _object_roles(image: str, group: dict[str, Any], named: str) -> Roles:
    import tensorflow_datasets as tfds

    boxes = next(name for name, feature in group.items() if isinstance(feature, tfds.features.BBoxFeature))
    order = getattr(group[boxes].bbox_format, "name", "REL_YXYX")
    if order not in BOX_ORDERS:
        raise DataError(f"{named}: the box format is {order}; expected {' or '.join(BOX_ORDERS)}.")
    labels = [name for name, feature in group.items() if isinstance(feature, tfds.features.ClassLabel)]
    classes = min(labels, key=lambda name: name.rpartition("/")[2] != "label", default=None)
    plain = {name.rpartition("/")[2]: name for name in group}
    return Roles(
        image,
        boxes=boxes,
        classes=classes,
        class_names=_names(group[classes], named) if classes else ("object",),
        box_order=BOX_ORDERS[order],
        attributes=tuple((ours, plain[theirs]) for theirs, ours in OBJECT_ATTRIBUTES.items() if theirs in plain),
    )


def read_split(instructions: Iterable[Any], split: str, roles: Roles) -> tuple[Index, list[Problem]]:
    """Index a split; each record is parsed once, and no image is decoded.

    Args:
        instructions: ``file_instructions`` of the split: shards, and which of their records belong to it.
        split: name of the split for the progress bar.
        roles: roles of the features.

    Returns:
        the index, and problems with records that could not be used.
    """
    instructions = list(instructions)
    paths, labels, annotations, problems = [], [], [], []
    total = sum(instruction.take for instruction in instructions)
    with bar(total=total, description=f"reading records of {split}", unit=" records") as progress:
        for instruction in instructions:
            shard = str(instruction.filename)
            try:
                for position, record in iterate_records(shard, instruction.skip, instruction.take):
                    progress.update()
                    path = Place(shard, position, roles.image).path()
                    try:
                        example = parse_example(record, shard)
                    except OSError as error:
                        problems.append(Problem("broken image", path, str(error)))
                        continue
                    annotation = _annotation(example, Place(shard, position, ""), roles, problems)
                    if annotation is not None:
                        paths.append(path)
                        labels.append(_label(example, path, roles, problems))
                        annotations.append(annotation)
            except OSError as error:
                detail = f"{error.strerror or error}; all records after this one are left out"
                problems.append(Problem("broken image", shard, detail))
    has_annotations = roles.label is None
    class_names = roles.class_names
    if roles.is_text:
        class_names = tuple(sorted(set(filter(None, labels)), key=natural_order))
        numbers = {name: number for number, name in enumerate(class_names)}
        labels = [numbers.get(label, -1) for label in labels]
    index = Index(class_names, tuple(paths), np.array(labels, np.int32), annotations=tuple(annotations) * has_annotations)
    return index, problems


def with_all_names(splits: dict[str, Index]) -> dict[str, Index]:
    """The splits with the class names of all of them, so that a label means the same in each."""
    class_names = tuple(sorted(set().union(*(index.class_names for index in splits.values())), key=natural_order))
    numbers = {name: number for number, name in enumerate(class_names)}
    merged = {}
    for split, index in splits.items():
        renumbered = np.array([numbers[name] for name in index.class_names] + [-1], np.int32)  # the label -1 stays -1
        merged[split] = replace(index, class_names=class_names, labels=renumbered[index.labels])
    return merged


def _label(example: dict, path: str, roles: Roles, problems: list[Problem]) -> int | str:
    """The label of an image, a number or a text; -1 or "" if it has none, as in test splits whose labels are secret."""
    if roles.label is None:
        return -1
    if roles.is_text:
        return next(iter(_bytes(example, roles.label)), b"").decode("utf-8", "replace").strip()
    label = next(iter(_integers(example, roles.label)), -1)
    if label >= len(roles.class_names):
        problems.append(Problem("unknown label", path, f"label {label}, but there are {len(roles.class_names)} classes"))
    return label if 0 <= label < len(roles.class_names) else -1


def _annotation(example: dict, place: Place, roles: Roles, problems: list[Problem]) -> Annotation | None:
    """The annotation of the image in a record; None, and a problem, if the record cannot be used."""
    for kind, feature in (("broken image", roles.image), ("missing partner", roles.mask)):
        if feature is not None and not any(_bytes(example, feature)):
            problems.append(Problem(kind, place._replace(feature=feature).path(), f"the record has no {feature}"))
            return None
    if roles.mask is not None:
        return Annotation(mask=place._replace(feature=roles.mask).path())
    if roles.boxes is None:
        return Annotation()
    path = place._replace(feature=roles.image).path()
    objects, reason = _objects(example, roles)
    if reason:
        problems.append(Problem("bad annotation", path, reason))
    unknown = objects.classes[(objects.classes < 0) | (objects.classes >= len(roles.class_names))]
    if len(unknown):
        detail = f"classes {unknown[:5].tolist()}, but there are {len(roles.class_names)} classes"
        problems.append(Problem("unknown label", path, detail))
        objects.classes[objects.classes >= len(roles.class_names)] = -1
    return Annotation(objects=objects)


def _objects(example: dict, roles: Roles) -> tuple[Objects, str]:
    """The objects with valid boxes, and what is wrong with the others."""
    numbers = np.array(_floats(example, roles.boxes), np.float64)
    boxes = numbers[: len(numbers) // 4 * 4].reshape(-1, 4)[:, roles.box_order]
    classes = np.array(_integers(example, roles.classes) if roles.classes else [0] * len(boxes), np.int64).clip(-1, 2**31 - 1)
    if len(numbers) != 4 * len(classes):
        reason = f"the boxes have {len(numbers)} numbers, but there are {len(classes)} classes"
        return Objects(np.zeros((0, 4)), np.zeros(0, np.int32)), reason
    flags = {name: _integers(example, feature) for name, feature in roles.attributes}
    flags = {name: values for name, values in flags.items() if len(values) == len(boxes)}
    attributes = tuple({name: values[i] for name, values in flags.items()} for i in range(len(boxes))) if flags else ()
    sound = [i for i, box in enumerate(boxes) if are_sound(box)]
    objects = Objects(boxes, classes.astype(np.int32), attributes=attributes).take(sound)
    return objects, f"boxes without valid numbers: {len(boxes) - len(sound)}" if len(sound) < len(boxes) else ""


def _bytes(example: dict, name: str) -> list[bytes]:
    return example[name].bytes_list.value if name in example else []


def _integers(example: dict, name: str) -> list[int]:
    return list(example[name].int64_list.value) if name in example else []


def _floats(example: dict, name: str) -> list[float]:
    return list(example[name].float_list.value) if name in example else []
