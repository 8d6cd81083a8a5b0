"""What is decided before a classifier of signals or volumes is trained: the samples, the network, how it is trained."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from visionkit.data.arrays.augment import Variation
from visionkit.data.arrays.folders import find_arrays
from visionkit.data.arrays.samples import ArraySplits, SampleSet, read_samples, restore_splits, split_samples
from visionkit.data.demo.arrays import SIDE, demo_signals, demo_volumes
from visionkit.training.config import RunConfig
from visionkit.training.dataset import note_skipped
from visionkit.training.recipe import Run
from visionkit.training.run_folder import PLAN

NETWORKS = {"signal": "resnet20", "volume": "resnet8"}
STEPS = {"signal": 1200, "volume": 600}  # of training, unless the epochs are requested; within EPOCHS
EPOCHS = (10, 300)
VARIATIONS = {
    "resample": Variation(shift=0.05, stretch=0.1, noise=0.1),
    "resize": Variation(shift=0.1, contrast=0.2, noise=0.1),
    "crop": Variation(contrast=0.2, noise=0.1),  # not shifted: its middle voxel would have another label
}
SMOKE_SAMPLES = {"num_train": 32, "num_val": 10}  # a class

BuiltIn = Literal["signals", "volumes"]


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed.

    Attributes:
        network: its name in the catalogue.
        epochs: how many.
    """

    network: str
    epochs: int


def open_data(run: Run, config: RunConfig, *, built_in: BuiltIn, size: int, patches: int) -> ArraySplits:
    """Read and split the samples, and note it; a resumed run keeps to its first split, classes and shape.

    Args:
        run: takes the notes, and holds the split in ``plan.json``.
        config: names the data, and the seed of the split; None takes the built-in data.
        built_in: which built-in data.
        size: side of volumes, or of the cubes that are cut from them, in voxels; built-in volumes have their own.
        patches: see ``read_samples``.

    Raises:
        DataError: there is nothing to train on or to validate with.
    """
    if config.data is None:
        samples, source, size = built_in_samples(config, built_in), "built-in data", SIDE
    else:
        source = config.data
        samples = read_samples(find_arrays(source), size=size, patches=patches, seed=config.seed)
    stored = run.read_json(PLAN)
    data = split_samples(samples, size=size, seed=config.seed) if stored is None else restore_splits(samples, stored)
    if stored is None:
        run.write_json(PLAN, data.to_plain())
    counts = f"{len(data.train)} training and {len(data.val)} validation {data.kind}s"
    run.note(f"{counts} of {len(data.train.class_names)} classes: {source}.")
    note_skipped(run, data)
    return data


def built_in_samples(config: RunConfig, built_in: BuiltIn) -> SampleSet:
    """The samples that need no files, fewer of them in a smoke run."""
    options = SMOKE_SAMPLES if config.smoke else {}
    if built_in == "signals":
        return SampleSet("signal", "resample", demo_signals(seed=config.seed, **options))
    return SampleSet("volume", "resize", demo_volumes(seed=config.seed, **options))


def choose_plan(run: Run, data: ArraySplits, *, network: str | None, epochs: int | None, batch_size: int) -> Plan:
    """Choose the network and the number of epochs, and note the reasons.

    Args:
        run: takes the notes.
        data: the training samples.
        network, epochs: None where they are to be chosen.
        batch_size: samples a step.
    """
    reason = "as requested"
    if network is None:
        network, reason = NETWORKS[data.kind], f"the default for {data.kind}s"
    run.note(f"Network {network}: {reason}.")
    reason = "as requested"
    if epochs is None:
        steps, (least, most) = STEPS[data.kind], EPOCHS
        epochs = int(np.clip(steps * batch_size // len(data.train), *EPOCHS))
        reason = f"about {steps} steps of {batch_size} {data.kind}s, within {least} to {most} epochs"
    run.note(f"{epochs} epochs: {reason}.")
    return Plan(network, epochs)


def choose_variation(data: ArraySplits, *, flip: bool) -> Variation:
    """How far training arrays are varied; ``flip`` says whether volumes are mirrored, too."""
    return VARIATIONS[data.fit]._replace(flip=flip)
