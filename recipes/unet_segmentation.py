"""U-Net segmentation: from masks in a folder to a label for every pixel, of images and of volumes.

    python recipes/unet_segmentation.py                    # built-in images with exact masks: some minutes on 2 cores
    python recipes/unet_segmentation.py --data my_masks/   # images/ and masks/, COCO polygons, TIFF stacks, or tfds:NAME
    python recipes/unet_segmentation.py --data my_scans/   # volumes: images/ and labels/ of NIfTI, .npy (TIFF: --volumes)
    python recipes/unet_segmentation.py --smoke            # does everything work? Under a minute

Images: a pretrained base (EfficientNet-Lite0, installed with visionkit) and the decoder of U-Net; `--base none` is U-Net alone.
Patches are cut from images of any size, without resizing them. Few images are warped elastically. Volumes: a 3-D U-Net.
The exported model takes images and volumes of any size, tile by tile, and its own predictions are what is reported.

Expected with seed 0, in all, on 2 cores that other trainings shared:

    ISBI 2012 membranes, 19 + 5 slices, --any-way-up --membranes --views eight    pixel error 0.083 (0.054 as the challenge
        counts), after 35 minutes
    CamVid, 367 + 101 images of 11 classes, --epochs 4 --class-weights balanced mean IoU 0.510, after 16 minutes
    hippocampus, 65 + 20 MRI volumes of two parts                                 Dice 0.876, after 14 minutes
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

import numpy as np

from visionkit.data import sources
from visionkit.data.arrays.volumes import has_volumes
from visionkit.data.splits import train_and_val
from visionkit.errors import UserError
from visionkit.metrics.segmentation import SegmentationMetrics
from visionkit.models import catalog
from visionkit.models.unet import Style
from visionkit.tasks.segmentation import evaluate, export, plan, report, segmenters, train
from visionkit.tasks.segmentation.data import SegmentationData
from visionkit.training import runtime
from visionkit.training.config import TrainConfig
from visionkit.training.fine_tuning import check_base, parts_of, phases_of
from visionkit.training.freezing import freeze_base
from visionkit.training.options import whole_path
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.viz.rate_curve import with_found_rates

SMOKE = {"epochs": 1, "size": 96, "batch_size": 8}
SMOKE_VOLUMES = {"epochs": 4, "size": 16, "batch_size": 4, "filters": (8, 16)}


@dataclass(frozen=True)
class Config(TrainConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images with masks, COCO polygons, TIFF stacks, tfds:NAME, or volumes with labels. Default: built-in images."""
    mask_values: tuple[str, ...] = ()
    """What the values of masks mean: 0=background 128=cell 255=ignore, or #ff0000=road. Default: by files of names."""
    volumes: bool = False
    """TIFF stacks are volumes, not stacks of images; without --data, the built-in volumes."""
    base: str | None = None
    """The encoder: a network that `visionkit models` lists, or none. Default: efficientnet_lite0; for volumes none."""
    filters: tuple[int, ...] = ()
    """Channels of the levels, the finest first. Default: 16 32 64 128 256; for volumes 16 32 64 128."""
    attention: bool = False
    """Attention gates on the skip connections."""
    supervised: int = 0
    """How many levels below the finest are trained to predict masks, too (deep supervision)."""
    up: Literal["transpose", "resize"] = "transpose"
    """Upsampling of the decoder: transposed convolutions, or nearest neighbors and a convolution."""
    fine: int = 16
    """Filters of two convolutions at full resolution beside a base, whose maps begin at half of it; 0 for none."""
    shrink: int = 1
    """Average squares of so many pixels a side first: for large images of coarse things."""
    size: int | None = None
    """Side of a patch in pixels. Default: 256, or less where images are smaller; for volumes 32, likewise."""
    epochs: int | None = None
    """Each covers every image with patches about once. Default: by the number of patches."""
    batch_size: int | None = None
    """Patches a step. Default: 8; for volumes 4."""
    learning_rate: float | Literal["auto"] = 3e-3
    """The peak learning rate, after the warm-up; auto tries about 100 steps with rising rates first."""
    losses: tuple[train.LossName, ...] = ("cross_entropy", "dice")
    """The losses that are summed: cross_entropy, focal, dice, jaccard, tversky, boundary."""
    class_weights: Literal["none", "balanced"] = "none"
    """Whether rare classes have larger weights in cross_entropy and focal."""
    borders: float = 0.0
    """Weight of the gaps between things: U-Net's w0, whose own value is 10. 0 for none."""
    augment: Literal["auto", "light", "medium", "strong"] = "auto"
    """How strongly patches are augmented; strong warps them elastically. auto: strong where images are few."""
    flip: bool | None = None
    """Whether a mirror image shows the same. Default: it does in images; in volumes left and right differ."""
    any_way_up: bool = False
    """Images have no top (microscopes, satellites): they are turned by quarters and mirrored both ways."""
    membranes: bool = False
    """The classes are membranes and the cells between them: the Rand and warping errors of ISBI 2012 are measured, too."""
    views: Literal["one", "mirror", "eight"] = "one"
    """What the exported model averages: one view, the mirror image too, or all quarter turns and their mirror images."""

    SHAPING: ClassVar = ("base", "filters", "attention", "supervised", "up", "fine", "shrink", "volumes")
    LEAST: ClassVar = TrainConfig.LEAST | {"size": 16, "shrink": 1, "borders": 0, "supervised": 0, "fine": 0}

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        super().check_options()
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise UserError(f"--losses {' '.join(self.losses)}: expected at least one, and none twice.")
        if min(self.filters, default=1) < 1:
            raise UserError(f"--filters {' '.join(map(str, self.filters))}: expected numbers from 1 on.")
        check_base(self, "there is no pretrained base" if self.base == "none" else self.why_random())

    def checked(self) -> "Config":
        """The configuration with whole paths and the defaults of images or volumes; misspelt names and unreadable data are
        reported now.
        """
        if self.base not in (None, "none"):
            catalog.find(self.base)
        config = super().checked()
        volumes = config.volumes or (config.data is not None and has_volumes(config.data))
        if volumes:
            for name in ("shrink", "any_way_up", "membranes", "mask_values"):
                if getattr(config, name) != getattr(Config, name):
                    data = config.data or "the built-in data"
                    raise UserError(f"--{name.replace('_', '-')} is for images, and {data} is volumes.")
        elif config.data is not None:
            options = {"mask_values": config.mask_values, "allow_outside": config.allow_outside}
            train_and_val(sources.read(config.data, prefer="masks", **options), seed=config.seed)
        defaults = {"base": "none", "batch_size": 4, "flip": False} if volumes else {}
        defaults = {"base": "efficientnet_lite0", "batch_size": 8, "flip": True} | defaults
        unset = {name: value for name, value in defaults.items() if getattr(config, name) is None}
        filters = config.filters or plan.FILTERS[3 if volumes else 2]
        config = dataclasses.replace(config, volumes=volumes, filters=filters, **unset)
        check_base(config, "there is no pretrained base" if config.base == "none" else None)
        return config


def main(config: Config) -> Run:
    """Run the recipe."""
    volumes = config.volumes or (config.data is not None and has_volumes(whole_path(config.data)))
    return run_recipe(config, train_and_export, name="unet_segmentation", smoke=SMOKE_VOLUMES if volumes else SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    device = runtime.prepare(config.seed)
    options = {"volumes": config.volumes, "any_way_up": config.any_way_up, "are_membranes": config.membranes}
    data = plan.open_data(run, config, **options, mask_values=config.mask_values)
    segmenter = build(config, data)
    chosen = run.plan(plan.Plan, lambda: plan.choose_plan(run, data, config, multiple=segmenter.multiple))
    network, parts = segmenter.network, parts_of(config, segmenter.base, chosen.epochs)
    run.start_from(config, network, data.class_names, segmenters.heads(network))
    if segmenter.base is not None:
        freeze_base(segmenter.base, parts[0].freeze)
    num_trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    run.note(f"{network.count_params():,} parameters, of which {num_trained:,} are trained, on a {device}.")

    schedule = plan.schedule_of(chosen, data, config)
    objective = plan.objective_of(config.losses, data.class_counts, config.class_weights, config.borders)
    batches = data.batches(schedule, objective.targets, config.seed, run.note)
    predict = export.predict_with(segmenter.inference, export.tiling_of(data.rank, segmenter.multiple))

    def measure() -> SegmentationMetrics:
        return evaluate.measure(predict, data)

    phases = phases_of(
        run, config, segmenter.base, parts, lambda: train.phase(segmenter, schedule, objective, batches, measure)
    )
    history = run.train(phases, network)

    run.say("Exporting ...")
    in_training = measure()
    bundle = export.export_segmenter(
        segmenter.inference,
        run.model,
        class_names=data.class_names,
        multiple=segmenter.multiple,
        litert_sides=data.sides(chosen.size),
        metadata={"base": config.base, **run.described(config)},
        views=config.views,
        half_precision=config.half_precision,
        trained=network,
    )
    evaluation = evaluate.evaluate(bundle, data, are_membranes=config.membranes)
    evaluate.note_results(run, evaluation, in_training)
    if evaluation.litert_disagreement is not None:
        run.note(f"The LiteRT model predicts another class for {evaluation.litert_disagreement:.3%} of the pixels.")
    page = with_found_rates(report.report(evaluation, data, history), run.found_rates)
    run.finish(bundle, evaluation.metrics, page)


def build(config: Config, data: SegmentationData) -> segmenters.TrainableSegmenter:
    """The segmenter, with the weights to begin with."""
    try:
        segmenter = segmenters.build(
            len(data.class_names),
            channels=data.channels,
            base=None if config.base == "none" else config.base,
            weights=config.pretrained_weights,
            pretrained=config.pretrained,
            filters=config.filters,
            style=Style(up=config.up, attention=config.attention, supervised=config.supervised, fine=config.fine),
        )
    except ValueError as error:  # such as layers that do not exist for volumes
        raise UserError(f"--base {config.base}: {error}") from error
    return segmenters.shrinking(segmenter, config.shrink)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
