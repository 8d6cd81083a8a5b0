"""U-Net segmentation: from masks in a folder to a label for every pixel, of images and of volumes.

    python recipes/unet_segmentation.py                    # built-in images with exact masks: some minutes on 2 cores
    python recipes/unet_segmentation.py --data my_masks/   # images/ and masks/, COCO polygons, TIFF stacks, or tfds:NAME
    python recipes/unet_segmentation.py --data my_scans/   # volumes: images/ and labels/ of NIfTI, .npy (TIFF: --volumes)
    python recipes/unet_segmentation.py --smoke            # does everything work? Under a minute

Images: a pretrained base (EfficientNet-Lite0, installed with visionkit) and U-Net's way up; `--base none` is U-Net alone.
Patches are cut from images of any size, pixel for pixel. Few images are warped elastically. Volumes: a 3-D U-Net.
The exported model answers for images and volumes of any size, tile by tile, and what is reported is its own answer.

Expected with seed 0, all in, on 2 cores that other trainings shared:

    ISBI 2012 membranes, 19 + 5 slices, --any-way-up --membranes --views eight    pixel error 0.083 (0.054 as the challenge
        counts), after 35 minutes
    CamVid, 367 + 101 images of 11 classes, --epochs 4 --class-weights balanced mean IoU 0.510, after 16 minutes
    hippocampus, 65 + 20 MRI volumes of two parts                                 Dice 0.876, after 14 minutes
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import visionkit

visionkit.quiet_tensorflow()

import numpy as np

from visionkit.data import sources
from visionkit.data.arrays.volumes import has_volumes, read_volumes
from visionkit.data.demo.scenes import make_segmentation_demo
from visionkit.data.demo.volumes import demo_label_volumes
from visionkit.data.index import SkippedFiles
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.files import cache_folder
from visionkit.metrics.segmentation import measure
from visionkit.models import catalog
from visionkit.models.unet import Style
from visionkit.tasks import load
from visionkit.tasks.segmentation import data as segmentation_data
from visionkit.tasks.segmentation import plan as segmentation_plan
from visionkit.tasks.segmentation import segmenters
from visionkit.tasks.segmentation.data import Data, ImageData, VolumeData
from visionkit.tasks.segmentation.evaluate import litert_disagreement, mean_boundary, mean_errors, summed
from visionkit.tasks.segmentation.export import export_segmenter, tiling_of, whole_answers
from visionkit.tasks.segmentation.report import SegmentationReport, write_segmentation_report
from visionkit.tasks.segmentation.train import LossName, Schedule, segmentation_phase
from visionkit.training import runtime
from visionkit.training.dataset import first_images
from visionkit.training.fit import load_weights, train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder

SMOKE = {"epochs": 1, "size": 96, "batch_size": 8}
SMOKE_VOLUMES = {"epochs": 4, "size": 16, "batch_size": 4, "filters": (8, 16)}


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images with masks, COCO polygons, TIFF stacks, tfds:NAME, or volumes with labels. Default: built-in images."""
    out: Path | None = None
    """Folder of this run. Default: runs/unet_segmentation-<time>."""
    volumes: bool = False
    """TIFF stacks are volumes, not images one above the other; without --data, the built-in volumes."""
    base: str | None = None
    """The way down: a network that `visionkit models` lists, or none. Default: efficientnet_lite0; of volumes none."""
    weights: str = "imagenet"
    """Its weights: imagenet, none, or the path of a .weights.h5, .keras, .safetensors or PyTorch file."""
    freeze: Literal[0, 2, 4, 8, 16, 32] = 0
    """The base's layers up to this stride keep their weights; 0 trains all."""
    filters: tuple[int, ...] = ()
    """Channels of the levels, from the finest. Default: 16 32 64 128 256; of volumes 16 32 64 128."""
    attention: bool = False
    """Attention gates on the skips."""
    supervised: int = 0
    """How many levels below the finest are trained to answer, too (deep supervision)."""
    up: Literal["transpose", "resize"] = "transpose"
    """How the way up doubles: transposed convolution, or nearest neighbors and a convolution."""
    fine: int = 16
    """Filters of two convolutions of the image itself, beside a base, which begins at half its sides; 0 for none."""
    shrink: int = 1
    """Look at means of so many pixels a side: for large images of coarse things."""
    size: int | None = None
    """Side of a patch in pixels. Default: 256, or less where images are smaller; of volumes 32, likewise."""
    epochs: int | None = None
    """Each covers every image with patches about once. Default: by the number of patches."""
    batch_size: int | None = None
    """Patches a step. Default: 8; of volumes 4."""
    learning_rate: float = 3e-3
    """The peak, after the warm-up."""
    losses: tuple[LossName, ...] = ("cross_entropy", "dice")
    """What is made small, summed: cross_entropy, focal, dice, jaccard, tversky, boundary."""
    class_weights: Literal["none", "balanced"] = "none"
    """Whether rare classes count more in cross_entropy and focal."""
    borders: float = 0.0
    """How much more gaps between things count: U-Net's w0; its own value is 10. 0 for none."""
    augment: Literal["auto", "light", "medium", "strong"] = "auto"
    """How far training patches are varied; strong warps them elastically. auto: strong where images are few."""
    flip: bool | None = None
    """Whether a mirror image shows the same. Default: it does on images; in volumes left and right differ."""
    any_way_up: bool = False
    """Images have no top (microscopes, satellites): they are turned by quarters and mirrored both ways."""
    membranes: bool = False
    """The classes are membranes and the cells between them: also the Rand and warping errors of ISBI 2012 are measured."""
    views: Literal["one", "mirror", "eight"] = "one"
    """What the exported model averages: one look, the mirror image too, or all quarter turns and their mirror images."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where decoded training images are kept from epoch to epoch."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size."""
    seed: int = 0
    """Makes order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        lowest = {"size": 16, "batch_size": 1, "learning_rate": 0, "borders": 0, "supervised": 0, "fine": 0}
        check_at_least(self, epochs=1, shrink=1, seed=0, **lowest)
        if not self.losses or len(set(self.losses)) < len(self.losses):
            raise UserError(f"--losses {' '.join(self.losses)}: expected at least one, and none twice.")
        if min(self.filters, default=1) < 1:
            raise UserError(f"--filters {' '.join(map(str, self.filters))}: expected numbers from 1 on.")

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be read, is told now."""
        if self.base not in (None, "none"):
            catalog.find(self.base)
        weights = self.weights if self.weights in ("imagenet", "none") else str(Path(self.weights).resolve())
        data, volumes = self.data, self.volumes
        if data is not None and not data.startswith("tfds:"):
            data = str(Path(data).resolve())
            volumes = volumes or has_volumes(data)
        if data is not None and not volumes:
            train_and_val(sources.read(data), seed=self.seed)
        if volumes:
            for name in ("shrink", "any_way_up", "membranes"):
                if getattr(self, name) != getattr(Config, name):
                    raise UserError(f"--{name.replace('_', '-')} is for images, and {data or 'the built-in data'} is volumes.")
        return dataclasses.replace(self, weights=weights, data=data, volumes=volumes).with_defaults()

    def with_defaults(self) -> "Config":
        """What images and volumes have otherwise."""
        own = {"base": "none", "batch_size": 4, "flip": False} if self.volumes else {}
        defaults = {"base": "efficientnet_lite0", "batch_size": 8, "flip": True} | own
        asked = {name: value for name, value in dataclasses.asdict(self).items() if name in defaults and value is not None}
        filters = self.filters or segmentation_plan.FILTERS[3 if self.volumes else 2]
        return dataclasses.replace(self, **({"filters": filters} | defaults | asked))


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    of_volumes = config.volumes or (config.data is not None and has_volumes(config.data))
    return run_recipe(config, train_and_export, name="unet_segmentation", smoke=SMOKE_VOLUMES if of_volumes else SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    data = read_data(run, config, skipped, story)
    counts = data.class_counts
    segmentation_plan.tell_counts(counts, data.class_names, story)
    segmenter = build(config, data)
    schedule = make_schedule(run, config, data, segmenter.multiple, story)
    trained = sum(int(np.prod(weight.shape)) for weight in segmenter.network.trainable_weights)
    story.tell(f"{segmenter.network.count_params():,} parameters, of which {trained:,} are trained, on a {device}.")

    objective = segmentation_plan.objective_of(config.losses, counts, config.class_weights, config.borders)
    tiling = tiling_of(data.channels[0], segmenter.multiple)
    as_it_is = whole_answers(segmenter.answering, tiling)
    names = data.class_names

    def measured_now():
        return measure(summed(data.outcomes(as_it_is), len(names)), names)

    feeder = data.feeder(schedule, objective.targets, config.seed, story.tell)
    phases = {"train": lambda: segmentation_phase(segmenter, schedule, objective, feeder, measured_now)}
    history = train_in_order(run, phases, segmenter.network)
    load_weights(segmenter.network, run.weights_file("train"))

    print("Exporting ...", flush=True)
    in_training = measured_now()
    bundle = export_segmenter(
        segmenter.answering,
        run.path / "model",
        class_names=names,
        multiple=segmenter.multiple,
        litert_sides=data.sides(schedule.size),
        metadata={"base": config.base, "made_by": f"visionkit {visionkit.__version__}, recipes/unet_segmentation.py"},
        views=config.views,
        half_precision=config.half_precision,
    )
    model = load(bundle)
    evaluated = data.evaluated(model.mask_of, are_cells=config.membranes)
    measured = measure(summed(evaluated.outcomes, len(names)), names)
    metrics = segmentation_plan.numbers(measured, evaluated.outcomes, cases=data.kind == "volume")
    story.tell(
        f"The bundle's pixel error is {measured.pixel_error:.4f}, its mean IoU {measured.mean_iou:.4f}; of the network in "
        f"training, which looks once, {in_training.pixel_error:.4f} and {in_training.mean_iou:.4f}."
    )
    disagreement = litert_disagreement(model, bundle, data.some())
    if disagreement is not None:
        story.tell(f"The LiteRT model names another class for {disagreement:.3%} of the pixels.")
    metrics |= mean_errors(evaluated.outcomes)
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, metrics=metrics)
    report = SegmentationReport(
        title=f"Segmentation: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}",
        sentences=story.sentences,
        metrics=metrics,
        history=history,
        class_names=names,
        matrix=measured.matrix,
        train_counts=counts,
        paths=evaluated.names,
        errors=np.array([each.error for each in evaluated.outcomes]),
        images=evaluated.seen,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
        boundary_f1=mean_boundary(evaluated.outcomes),
    )
    write_segmentation_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


def read_data(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> Data:
    """Index and open what is trained on; a resumed run keeps to its first lists."""
    return read_volume_data(run, config, skipped, story) if config.volumes else read_image_data(run, config, skipped, story)


def read_image_data(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> ImageData:
    """Images with masks."""
    kept = run.read_json("plan.json")
    source = config.data or built_in(config)
    splits = train_and_val(sources.read(source), seed=config.seed) if kept is None else Splits.from_plain(kept["data"])
    splits = first_images(splits, segmentation_data.SMOKE_IMAGES) if config.smoke and kept is None else splits
    scanned, listed, class_counts = segmentation_data.usable(splits, source, run.path / "masks", skipped, story)
    names = scanned.train.class_names
    if config.membranes and len(names) != 2:
        raise UserError(f"--membranes is for masks of two classes, membranes and cells; {source} has {len(names)} classes.")
    if kept is None:
        run.write_json("plan.json", {"data": listed.to_plain()})
    augmentation = segmentation_plan.augmentation_of(
        config.augment, len(scanned.train), flip=config.flip, any_way_up=config.any_way_up, say=story.tell
    )
    return ImageData(scanned, class_counts, augmentation, config.cache, skipped)


def built_in(config: Config) -> Path:
    """The built-in images, made when they are first asked for; a smoke run makes as few as it needs."""
    if not config.smoke:
        return make_segmentation_demo(cache_folder() / "segmentation_demo")
    few = segmentation_data.SMOKE_IMAGES
    folder = cache_folder() / "segmentation_demo_smoke"
    return make_segmentation_demo(folder, num_train=few["training"], num_val=few["validation"])


def read_volume_data(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> VolumeData:
    """Volumes with labels."""
    kept = run.read_json("plan.json")
    splits = (
        demo_label_volumes(seed=config.seed) if config.data is None else read_volumes(config.data, skipped, seed=config.seed)
    )
    splits = segmentation_data.few_volumes(splits) if config.smoke else splits
    if kept is None:
        run.write_json("plan.json", {"data": splits.to_plain()})
    else:
        splits = splits.keep_to(kept["data"])
    segmentation_data.tell_volumes(splits, config.data or "built-in volumes", skipped, story)
    return VolumeData(splits, segmentation_plan.variation_of(config.augment, flip=config.flip))


def build(config: Config, data: Data) -> segmenters.TrainableSegmenter:
    """The segmenter, with the weights to begin with."""
    try:
        segmenter = segmenters.build(
            len(data.class_names),
            channels=data.channels,
            base=None if config.base == "none" else config.base,
            weights=None if config.weights == "none" else config.weights,
            frozen_stride=config.freeze or None,
            filters=config.filters,
            style=Style(up=config.up, attention=config.attention, supervised=config.supervised, fine=config.fine),
        )
    except ValueError as error:  # such as of layers that there are not for volumes
        raise UserError(f"--base {config.base}: {error}") from error
    return segmenters.shrinking(segmenter, config.shrink)


def make_schedule(run: RunFolder, config: Config, data: Data, multiple: int, story: Story) -> Schedule:
    """How long, how large, how fast; a resumed run keeps to what was chosen first."""
    plan = run.read_json("plan.json")
    if "size" not in plan:
        plan |= chosen(config, data, multiple, story)
        run.write_json("plan.json", plan)
    size, epochs = plan["size"], plan["epochs"]
    patches, every = data.patches(size), max(1, epochs // 10)
    return Schedule(epochs, config.batch_size, config.learning_rate, size, patches, validate_every=every)


def chosen(config: Config, data: Data, multiple: int, story: Story) -> dict[str, int]:
    """The side of patches and the number of epochs, each with its reason told."""
    rank = data.channels[0]
    size, reason = (config.size, "as asked") if config.size else segmentation_plan.choose_size(data.shapes, multiple, rank)
    if size % multiple:
        raise UserError(f"--size {size}: expected a multiple of {multiple}.")
    sides = " x ".join(map(str, data.sides(size)))
    story.tell(f"Patches of {sides} {'pixels' if data.kind == 'image' else 'voxels'}: {reason}.")
    count, epochs = int(data.patches(size).sum()), config.epochs
    epochs, reason = (epochs, "as asked") if epochs else segmentation_plan.choose_epochs(count, rank)
    story.tell(f"{epochs} epochs of {count} patches: {reason}.")
    return {"size": size, "epochs": epochs}


if __name__ == "__main__":
    command_line(main, Config, __doc__)
