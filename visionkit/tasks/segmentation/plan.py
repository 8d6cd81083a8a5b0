"""What is decided before a segmenter is trained: usable data, augmentation, patches, epochs, losses."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from visionkit.data import sources
from visionkit.data.arrays.patches import ORDINARY, VolumeVariation
from visionkit.data.arrays.volumes import VolumeSplits, read_volumes
from visionkit.data.augmentation.presets import Augmentation, preset
from visionkit.data.demo.scenes import make_segmentation_demo
from visionkit.data.demo.volumes import demo_label_volumes
from visionkit.data.images.listing import map_files
from visionkit.data.images.masks.outlines import with_masks
from visionkit.data.images.masks.read import read_fitting_mask
from visionkit.data.index import IGNORE, Index, counted
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.tasks.segmentation.data import ImageData, SegmentationData, VolumeData
from visionkit.tasks.segmentation.train import LossName, Objective, Schedule
from visionkit.training import dataset
from visionkit.training.config import TrainConfig
from visionkit.training.dataset import first_images, note_skipped, open_splits, with_unmeasurable
from visionkit.training.recipe import Run
from visionkit.training.run_folder import PLAN

SMOKE_IMAGES = {"training": 16, "validation": 4}
FILTERS = {2: (16, 32, 64, 128, 256), 3: (16, 32, 64, 128)}  # by rank: what two cores train in minutes
SIZES = {2: 256, 3: 32}  # by rank: sides of patches
SHOWN, EPOCHS = {2: 12_800, 3: 5_000}, (8, 400)  # patches in all, by rank; bounds of the number of epochs
FEW = 100  # training images: fewer are warped elastically, the point of U-Net's paper
SCALES = {"light": (0.85, 1.15), "medium": (0.75, 1.33), "strong": (0.75, 1.33)}  # sides of windows, relative to a patch
LARGEST_WEIGHT = 10.0  # of a rare class, relative to the class of median frequency
MANY_CLASSES = 12  # the shares of more are not listed


@dataclass(frozen=True)
class Plan:
    """What a run keeps to when it is resumed.

    Attributes:
        size: side of a patch in pixels or voxels.
        epochs: how many.
    """

    size: int
    epochs: int


def open_data(
    run: Run,
    config: TrainConfig,
    *,
    volumes: bool,
    any_way_up: bool,
    are_membranes: bool,
    mask_values: Sequence[str] = (),
) -> SegmentationData:
    """Read the data, leave out what cannot be read, and note it; a resumed run keeps to its first lists.

    Args:
        run: takes the notes, and holds the lists in ``plan.json``.
        config: the options of the run.
        volumes: whether the data are volumes.
        any_way_up: see ``augmentation_of``.
        are_membranes: whether the classes are membranes and cells.
        mask_values: what the values of masks mean, see ``sources.read``.

    Raises:
        UserError: there is nothing to train on or to validate with, or these are no membranes.
    """
    if volumes:
        splits = open_volumes(run, config)
        data = VolumeData(splits, variation_of(config.augment, flip=config.flip))
    else:
        splits, class_counts = open_images(run, config, are_membranes=are_membranes, mask_values=mask_values)
        options = {"flip": config.flip, "any_way_up": any_way_up, "note": run.note}
        augmentation = augmentation_of(config.augment, len(splits.train), **options)
        data = ImageData(splits, class_counts, augmentation, config.cache)
    note_shares(run, data.class_counts, data.class_names)
    return data


def open_images(
    run: Run, config: TrainConfig, *, are_membranes: bool, mask_values: Sequence[str] = ()
) -> tuple[Splits, np.ndarray]:
    """The images that can be read with their masks, and the training pixels of each class, int64 ``(C,)``.

    Outlines of objects are drawn as masks into ``RUN/masks``.
    """
    stored = run.read_json(PLAN)
    fewer = {"num_train": SMOKE_IMAGES["training"], "num_val": SMOKE_IMAGES["validation"]}
    write, name, class_counts, ignored = make_segmentation_demo, "segmentation_demo", {}, {}
    source = config.data or str(dataset.built_in(write, name, smoke=config.smoke, **fewer))
    splits = _read_images(source, config, mask_values) if stored is None else Splits.from_plain(stored["data"])
    if not splits.train.has_masks and not splits.train.has_objects:
        raise UserError(
            f"{source} has no masks: expected images/ and masks/ with the same names in both, COCO polygons, stacks of TIFF "
            "pages, or volumes with labels. `visionkit check` says what it holds."
        )

    def validate(splits: Splits) -> tuple[Splits, str]:
        def usable(index: Index, name: str) -> Index:
            index = index if splits.train.has_masks else with_masks(index, run.path / "masks" / name)
            readable, class_counts[name], ignored[name] = with_readable_masks(index)
            if not len(readable):
                raise UserError(f"{source}: no {name} image can be used{index.skipped.first()}; mend them.")
            return readable

        readable = splits.map(usable)
        num_classes = len(readable.train.class_names)
        if are_membranes and num_classes != 2:
            raise UserError(
                f"--membranes is for masks of two classes, membranes and cells; {source} has {num_classes} classes."
            )
        readable = with_unmeasurable(readable, class_counts["training"], class_counts["validation"])
        count = f"{len(readable.train)} training and {len(readable.val)} validation images"
        return readable, f"{count} with masks of {num_classes} classes, in {source}."

    readable, listed = open_splits(run, splits, validate)
    if stored is None:
        run.write_json(PLAN, {"data": (listed if listed.train.has_masks else readable).to_plain()})
    note_ignored(run, ignored, class_counts)
    return readable, class_counts["training"]


def open_volumes(run: Run, config: TrainConfig) -> VolumeSplits:
    """Volumes with labels."""
    stored = run.read_json(PLAN)
    splits = demo_label_volumes(seed=config.seed) if config.data is None else read_volumes(config.data, seed=config.seed)
    if config.smoke:
        train, val = SMOKE_IMAGES.values()
        splits = dataclasses.replace(splits, train=splits.train[:train], val=splits.val[:val])
    if stored is None:
        run.write_json(PLAN, {"data": splits.to_plain()})
    else:
        splits = splits.keep_to(stored["data"])
    shapes = np.array([volume.labels.shape for volume in splits.train])
    sides = " x ".join(f"{low} to {high}" for low, high in zip(shapes.min(axis=0), shapes.max(axis=0), strict=True))
    run.note(
        f"{len(splits.train)} training and {len(splits.val)} validation volumes of {sides} voxels, labels of "
        f"{len(splits.class_names)} classes, in {config.data or 'built-in volumes'}."
    )
    note_skipped(run, splits)
    return splits


def note_shares(run: Run, class_counts: np.ndarray, class_names: Sequence[str]) -> None:
    """Note how much of each class there is to learn from."""
    shares = class_counts / max(class_counts.sum(), 1)
    listed = ", ".join(f"{name} {share:.1%}" for name, share in zip(class_names, shares, strict=True))
    if len(class_names) <= MANY_CLASSES:
        run.note(f"Shares of the training pixels: {listed}.")
    absent = [name for name, count in zip(class_names, class_counts, strict=True) if not count]
    if absent:
        run.note(f"Note: no training pixel is {', '.join(absent[:20])}: the network cannot learn to find it.")


def note_ignored(run: Run, ignored: dict[str, int], class_counts: dict[str, np.ndarray]) -> None:
    """Note how many pixels of the masks of each split belong to no class, and are neither learnt from nor measured."""
    shares = [
        f"{count:,} {name} pixels ({count / (count + int(class_counts[name].sum())):.1%})"
        for name, count in ignored.items()
        if count
    ]
    if shares:
        run.note(f"The masks mark {' and '.join(shares)} as no class: they are ignored.")


def choose_plan(run: Run, data: SegmentationData, config: TrainConfig, *, multiple: int) -> Plan:
    """The plan of a new run; each choice is noted with its reason.

    Args:
        run: takes the notes.
        data: what is trained on.
        config: the options of the run.
        multiple: what the sides of the network's input are multiples of.
    """
    size, reason = (config.size, "as requested") if config.size else choose_size(data.shapes, multiple, data.rank)
    if size % multiple:
        raise UserError(f"--size {size}: expected a multiple of {multiple}.")
    sides = " x ".join(map(str, data.sides(size)))
    run.note(f"Patches of {sides} {'pixels' if data.rank == 2 else 'voxels'}: {reason}.")
    count = int(data.patches(size).sum())
    epochs, reason = (config.epochs, "as requested") if config.epochs else choose_epochs(count, data.rank)
    run.note(f"{counted(epochs, 'epoch')} of {counted(count, 'patch', 'patches')}: {reason}.")
    return Plan(size, epochs)


def schedule_of(plan: Plan, data: SegmentationData, config: TrainConfig) -> Schedule:
    """How long and how fast to train, on which patches."""
    return Schedule(
        epochs=plan.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        validate_every=max(1, plan.epochs // 10),
        size=plan.size,
        patches=data.patches(plan.size),
    )


def choose_size(shapes: np.ndarray, multiple: int, rank: int) -> tuple[int, str]:
    """The side of a patch, a multiple of ``multiple``, and the reason.

    Args:
        shapes: of the training images or volumes, int ``(N, rank)``.
        multiple: what the sides of the network's input are multiples of.
        rank: 2 for images, 3 for volumes.
    """
    median = int(np.median(shapes.min(axis=1)))
    largest = max(SIZES[rank], 2 * multiple)
    if median >= largest:
        return largest // multiple * multiple, "the training data are large enough"
    return max(-(-median // multiple), 1) * multiple, f"half of the training data have a side of at most {median}"


def choose_epochs(num_patches: int, rank: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(SHOWN[rank] / num_patches), *EPOCHS))
    return epochs, f"about {epochs * num_patches:,} are shown in all"


def augmentation_of(
    strength: str, num_images: int, *, flip: bool, any_way_up: bool, note: Callable[[str], None]
) -> Augmentation:
    """The augmentation of training patches.

    Args:
        strength: "auto", or that of a preset.
        num_images: how many there are to train on.
        flip: whether a mirror image shows the same.
        any_way_up: whether an image that is turned by quarters shows the same.
        note: called with what was chosen, and why.
    """
    if strength == "auto":
        strength = "strong" if num_images < FEW else "medium"
        note(f"Augmentation {strength!r}: {num_images} images are {'few' if num_images < FEW else 'not few'}.")
    augmentation = preset(strength, task="segmentation", flip=flip)
    augmentation = dataclasses.replace(augmentation, name=f"{augmentation.name}, patches", zoom=None, scale=SCALES[strength])
    return augmentation.any_way_up() if any_way_up else augmentation


def variation_of(strength: str, *, flip: bool) -> VolumeVariation:
    """The augmentation of patches of volumes."""
    share = {"light": 0.4, "medium": 0.7}.get(strength, 1.0)
    return VolumeVariation(*(share * float(value) for value in ORDINARY[:-1]), flip=flip)


def objective_of(losses: Sequence[LossName], class_counts: np.ndarray, class_weights: str, borders: float) -> Objective:
    """What is minimized.

    Args:
        losses: names of the losses.
        class_counts: training pixels of each class.
        class_weights: "none" or "balanced".
        borders: strength of U-Net's weights of gaps between objects.
    """
    distances = len(class_counts) if "boundary" in losses else 0
    weights = tuple(balanced(class_counts).tolist()) if class_weights == "balanced" else ()
    return Objective(tuple(losses), weights, MaskTargets(borders, distances))


def balanced(class_counts: np.ndarray) -> np.ndarray:
    """Median-frequency weights (https://arxiv.org/abs/1411.4734), float ``(C,)``, at most ``LARGEST_WEIGHT``; 0 for an absent
    class.
    """
    present = class_counts > 0
    median = np.median(class_counts[present]) if present.any() else 1.0
    return np.where(present, np.minimum(median / np.maximum(class_counts, 1), LARGEST_WEIGHT), 0.0)


def _read_images(source: str, config: TrainConfig, mask_values: Sequence[str]) -> Splits:
    data = sources.read(source, prefer="masks", mask_values=mask_values, allow_outside=config.allow_outside)
    splits = train_and_val(data, seed=config.seed)
    return first_images(splits, SMOKE_IMAGES) if config.smoke else splits


def with_readable_masks(index: Index) -> tuple[Index, np.ndarray, int]:
    """The images whose masks can be read and have the size of the image; their pixels of each class, int64 ``(C,)``; and those
    that are ignored.
    """

    def count(_: str, number: int) -> np.ndarray:
        info = index.infos[number]
        mask = read_fitting_mask(index.annotations[number].mask, index, info.height, info.width)
        return np.bincount(mask.ravel(), minlength=256)

    counts = map_files(count, index.paths, index.skipped, "checking masks", range(len(index)))
    readable = [number for number, each in enumerate(counts) if each is not None]
    total = sum((counts[number] for number in readable), np.zeros(256, np.int64))
    return index.take(readable), total[: len(index.class_names)], int(total[IGNORE])
