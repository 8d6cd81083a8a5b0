"""Which features of a data set of tensorflow-datasets are used, and what its records say of each image.

What is learnt from one is, in this order: its mask (a ``LabeledImage``, or a second image that is named as masks are), its
boxes (a sequence that holds a ``BBoxFeature``, with the ``ClassLabel`` beside it), its label (a ``ClassLabel``).
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.formats.annotation_files import are_sound
from visionkit.data.images.records import Place, iterate_records, parse_example
from visionkit.data.index import Annotation, DataError, Index, Objects, Problem

MASK_NAME = re.compile("mask|seg|label|annotation|gt", re.IGNORECASE)
OBJECT_ATTRIBUTES = {"is_crowd": "iscrowd", "is_difficult": "difficult", "is_truncated": "truncated"}
BOX_ORDERS = {"REL_YXYX": [1, 0, 3, 2], "REL_XYXY": [0, 1, 2, 3]}  # where x1, y1, x2, y2 stand in what is stored


class Roles(NamedTuple):
    """The features that are used, by the names that they have in a record; None where there is no such feature.

    Attributes:
        image, mask: encoded images.
        boxes, classes: of the objects.
        label: of the image.
        class_names: of the mask, the objects or the image; empty where masks do not say.
        box_order: where x1, y1, x2, y2 stand in a box.
        attributes: of the objects: names as in ``Objects.attributes`` with the features.
    """

    image: str
    mask: str | None = None
    boxes: str | None = None
    classes: str | None = None
    label: str | None = None
    class_names: tuple[str, ...] = ()
    box_order: list[int] = BOX_ORDERS["REL_YXYX"]
    attributes: tuple[tuple[str, str], ...] = ()


def find_roles(features: Any, named: str) -> tuple[Roles, list[str]]:
    """What each feature is for.

    Args:
        features: the ``FeaturesDict`` of a data set.
        named: the data set, for messages.

    Returns:
        the roles; and the names of images, labels and sequences that are not used.

    Raises:
        DataError: no image, or nothing that can be learnt from it.
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
        raise DataError(f"{named}: no image among its features: {listed}.")
    image = "image" if "image" in images else images[0]
    if image_features[image].np_dtype not in (np.uint8, np.uint16):
        raise DataError(f"{named}: images of {np.dtype(image_features[image].np_dtype)}; expected 8 or 16 bits.")
    if masks:
        roles = Roles(image, mask=masks[0], class_names=_names(image_features[masks[0]], named))
    elif (group := _boxes_and_classes(sequences)) is not None:
        roles = _object_roles(image, group, named)
    elif labels:
        label = "label" if "label" in labels else next(iter(labels))
        roles = Roles(image, label=label, class_names=_names(labels[label], named))
    else:
        raise DataError(f"{named}: no label, boxes or mask of a kind that is known among its features: {listed}.")
    used = (image, roles.mask, roles.label, roles.boxes, roles.classes, (roles.boxes or "").rpartition("/")[0])
    return roles, [name for name in (*image_features, *labels, *sequences) if name not in used]


def _flat(features: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Features by the names that they have in a record; sequences are not entered."""
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
    """Of a ``ClassLabel`` or ``LabeledImage``; numbers where it has a number of classes alone; none for other images."""
    count = getattr(feature, "num_classes", None)
    if count is None and hasattr(feature, "int2str"):
        raise DataError(f"{named}: it does not say how many classes it has.")
    return tuple(map(str, feature.names or range(count))) if count is not None else ()


def _boxes_and_classes(sequences: dict[str, Any]) -> dict[str, Any] | None:
    """Features of the first sequence with boxes; sequences of boxes alone are taken together with those of labels alone."""
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
        raise DataError(f"{named}: boxes as {order}; expected {' or '.join(BOX_ORDERS)}.")
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
        instructions: its ``file_instructions``: shards, and which records of them.
        split: its name, for the progress bar.
        roles: what its features are for.

    Returns:
        the index, and what could not be used.
    """
    instructions = list(instructions)
    paths, labels, annotations, problems = [], [], [], []
    total = sum(instruction.take for instruction in instructions)
    with tqdm(total=total, desc=f"reading records of {split}", unit=" records", leave=False) as progress:
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
                problems.append(Problem("broken image", shard, f"{error.strerror or error}; the records after it are left out"))
    has_annotations = roles.label is None
    index = Index(roles.class_names, tuple(paths), np.array(labels, np.int32), annotations=tuple(annotations) * has_annotations)
    return index, problems


def _label(example: dict, path: str, roles: Roles, problems: list[Problem]) -> int:
    """Of the image; -1 where it has none, as in test splits whose labels are secret."""
    if roles.label is None:
        return -1
    label = next(iter(_integers(example, roles.label)), -1)
    if label >= len(roles.class_names):
        problems.append(Problem("unknown label", path, f"label {label} of {len(roles.class_names)} classes"))
    return label if 0 <= label < len(roles.class_names) else -1


def _annotation(example: dict, place: Place, roles: Roles, problems: list[Problem]) -> Annotation | None:
    """What a record says of its image; None, and a problem, where it cannot be used."""
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
        problems.append(Problem("unknown label", path, f"classes {unknown[:5].tolist()} of {len(roles.class_names)}"))
        objects.classes[objects.classes >= len(roles.class_names)] = -1
    return Annotation(objects=objects)


def _objects(example: dict, roles: Roles) -> tuple[Objects, str]:
    """The objects that have sound boxes, and what is wrong with the others."""
    numbers = np.array(_floats(example, roles.boxes), np.float64)
    boxes = numbers[: len(numbers) // 4 * 4].reshape(-1, 4)[:, roles.box_order]
    classes = np.array(_integers(example, roles.classes) if roles.classes else [0] * len(boxes), np.int64).clip(-1, 2**31 - 1)
    if len(numbers) != 4 * len(classes):
        return Objects(np.zeros((0, 4)), np.zeros(0, np.int32)), f"{len(numbers)} numbers of boxes, {len(classes)} classes"
    flags = {name: _integers(example, feature) for name, feature in roles.attributes}
    flags = {name: values for name, values in flags.items() if len(values) == len(boxes)}
    attributes = tuple({name: values[i] for name, values in flags.items()} for i in range(len(boxes))) if flags else ()
    sound = [i for i, box in enumerate(boxes) if are_sound(box)]
    objects = Objects(boxes, classes.astype(np.int32), attributes=attributes).take(sound)
    return objects, f"{len(boxes) - len(sound)} boxes that are no numbers" if len(sound) < len(boxes) else ""


def _bytes(example: dict, name: str) -> list[bytes]:
    return example[name].bytes_list.value if name in example else []


def _integers(example: dict, name: str) -> list[int]:
    return list(example[name].int64_list.value) if name in example else []


def _floats(example: dict, name: str) -> list[float]:
    return list(example[name].float_list.value) if name in example else []
