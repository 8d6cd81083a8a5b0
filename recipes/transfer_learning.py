"""Transfer learning: a classifier of your own images, on a laptop, in minutes.

    python recipes/transfer_learning.py                      # built-in photographs: about a minute on 2 cores
    python recipes/transfer_learning.py --data my_images/  # one folder a class; or train/ and val/; or train.txt and val.txt
    python recipes/transfer_learning.py --smoke              # does everything work? Under a minute

It puts a new head on a pretrained base, by one of three approaches:

    head   the base is frozen and its output computed once; each epoch trains only the head
    last   then the last stages are unfrozen and adapted at a low rate
    all    then everything is trained, from the pretrained weights

--unfreeze auto goes through them in this order, as far as the number of images allows; a name takes that one after the head.

Expected on ants and bees (hymenoptera, 245 training images): accuracy 0.961 to 0.967, see the README.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import visionkit

visionkit.quiet_tensorflow()

import keras
import numpy as np

from visionkit import models
from visionkit.data.augmentation import presets
from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.demo.photographs import make_demo
from visionkit.data.formats.class_folders import read_class_folders
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits
from visionkit.export.bundle import update_metadata
from visionkit.files import cache_folder
from visionkit.models.catalog import CATALOG, find
from visionkit.tasks.classification import train as phases
from visionkit.tasks.classification import transfer
from visionkit.tasks.classification.compare_litert import litert_difference
from visionkit.tasks.classification.evaluate import answers_to_files
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.feature_cache import FeatureCache
from visionkit.tasks.classification.report import ClassificationReport, write_report
from visionkit.training import runtime
from visionkit.training.augment_device import Feeding, choose_place
from visionkit.training.dataset import few, usable
from visionkit.training.fit import Phase, load_weights, train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder

EPOCHS = {transfer.HEAD: 20, transfer.LAST: 8, transfer.ALL: 8}
SMOKE = {"epochs": 2, "size": 128, "batch_size": 8, "views": 1, "unfreeze": transfer.LAST}
LITERT_CHECKS = 16  # validation images on which the LiteRT model is compared


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: Path | None = None
    """Images: one folder a class; or train/ and val/; or lists train.txt and val.txt. Default: built-in photographs."""
    out: Path | None = None
    """Folder of this run. Default: runs/transfer_learning-<time>."""
    base: str = "efficientnet_lite0"
    """Pretrained network: efficientnet_lite0 (installed), efficientnet_b0 ... b7 or mobilenet_v2 (downloaded once), ..."""
    weights: str = "imagenet"
    """Its weights: imagenet, or the path of a .weights.h5, .keras, .safetensors or PyTorch file (torchvision's, timm's)."""
    unfreeze: Literal["auto", "head", "last", "all"] = "auto"
    """How far to go; auto decides by the number of training images."""
    epochs: int | None = None
    """Epochs of each approach. Default: 20 of the head, 8 of each other."""
    size: int | None = None
    """Side of the network's input in pixels. Default: by the size of the images."""
    batch_size: int = 32
    """Images a step."""
    presets: Literal["light", "medium", "strong"] = "medium"
    """How far training images are varied."""
    mix: Literal["none", "mixup", "cutmix"] = "none"
    """Whether training images are blended with each other, in the approaches that train the base."""
    augment_on: Literal["auto", "cpu", "device"] = "auto"
    """What mirrors, colors and mixes them there: auto measures, where there is an accelerator."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where decoded training images are kept from epoch to epoch."""
    data_service: str | None = None
    """grpc://HOST:PORT of a tf.data service whose workers read and cut training images."""
    views: int = 8
    """Augmented views of each image that the feature cache holds, besides the image itself."""
    flip: bool = True
    """Whether a mirror image shows the same class; then it is trained on, and answers are averaged over both."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size, answers that differ in the third digit."""
    seed: int = 0
    """Makes order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, epochs=1, size=32, batch_size=1, views=0, seed=0)

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or a folder that cannot be used, is told now."""
        find(self.base)
        weights = self.weights if self.weights == "imagenet" else str(Path(self.weights).resolve())
        data = self.data and self.data.resolve()
        if data is not None:
            read_class_folders(data, seed=self.seed)
        return dataclasses.replace(self, weights=weights, data=data)


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="transfer_learning", smoke=SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    plan = make_plan(run, config, skipped, story)
    base, class_names = find(config.base), plan.data.train.class_names
    story.tell(f"Base {base} with weights '{config.weights}', on a {device}.")
    backbone = models.build(base, (plan.size, plan.size, 3), None, weights=config.weights)
    work = Work(config, plan, backbone, transfer.transfer_model(backbone, len(class_names)), skipped, story)

    history = train_in_order(run, approaches(work), work.model.classifier)
    ends = {row["phase"]: row for row in history}  # the last row of each approach stays
    best = max(ends, key=lambda name: (ends[name]["val_accuracy"], -ends[name]["val_loss"]))
    load_weights(work.model.classifier, run.weights_file(best))
    if len(ends) > 1:
        compared = ", ".join(f"{name} {row['val_accuracy']:.3f} (loss {row['val_loss']:.3f})" for name, row in ends.items())
        story.tell(f"Accuracy after each approach: {compared}. '{best}' is exported; it was chosen by these same images.")

    print("Exporting ...", flush=True)
    bundle = export_classifier(
        work.model.classifier,
        run.path / "model",
        class_names=class_names,
        metadata={"base": base, "made_by": f"visionkit {visionkit.__version__}, recipes/transfer_learning.py"},
        flips=config.flip,
        half_precision=config.half_precision,
    )
    val, probabilities = answers_to_files(bundle, plan.data.val, skipped)
    checked = np.unique(np.linspace(0, len(val) - 1, LITERT_CHECKS).astype(int))
    difference = litert_difference(bundle, [val.paths[i] for i in checked], probabilities[checked])
    if difference is not None:
        story.tell(f"The LiteRT model's probabilities differ from the SavedModel's by at most {difference:.4f}.")
    metrics = {"accuracy": float((probabilities.argmax(axis=1) == val.labels).mean())}
    metrics |= {f"accuracy_after_{name}": row["val_accuracy"] for name, row in ends.items()}
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, metrics=metrics)
    report = ClassificationReport(
        title=f"Transfer learning: {', '.join(class_names[:6])}{', ...' if len(class_names) > 6 else ''}",
        sentences=story.sentences,
        metrics=metrics,
        history=history,
        class_names=class_names,
        paths=list(val.paths),
        truth=val.labels,
        probabilities=probabilities,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
        train_counts=plan.data.train.counts(),
    )
    write_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed."""

    data: Splits
    size: int
    approach: str


@dataclass(frozen=True)
class Work:
    """What the steps of training share."""

    config: Config
    plan: Plan
    backbone: keras.Model
    model: transfer.TransferModel
    skipped: SkippedFiles
    story: Story


def make_plan(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> Plan:
    """Index the images, open each once, leave out what cannot be read, and decide how to train.

    A resumed run keeps to its first list of files: what was added since is not seen, what has vanished is skipped.
    """
    kept = run.read_json("plan.json")
    folder = config.data or make_demo(cache_folder() / "demo")
    splits = read_class_folders(folder, seed=config.seed) if kept is None else Splits.from_plain(kept["data"])
    splits = few(splits) if config.smoke and kept is None else splits
    scanned, listed = usable(splits, folder, skipped, story, resumed=kept is not None)
    if kept is not None:
        return Plan(scanned, kept["size"], kept["approach"])
    size = choose_size(config, CATALOG[find(config.base)].size, scanned.train, story)
    plan = Plan(scanned, size, choose_approach(config, scanned.train, story))
    run.write_json("plan.json", {"data": listed.to_plain(), "size": plan.size, "approach": plan.approach})
    return plan


def choose_size(config: Config, published: int, train: Index, story: Story) -> int:
    """The side of the input: as asked, or by the images' own sizes."""
    size, reason = config.size, "as asked"
    if size is None:
        size, reason = transfer.choose_size(published, [min(info.height, info.width) for info in train.metadata])
    story.tell(f"Input of {size} x {size} pixels: {reason}.")
    return size


def choose_approach(config: Config, train: Index, story: Story) -> str:
    """How far to train: as asked, or by the number of images."""
    approach, reason = config.unfreeze, "as asked"
    if approach == "auto":
        approach, reason = transfer.choose_approach(len(train), len(train.class_names))
    story.tell(f"Approach '{approach}': {reason}.")
    return approach


def approaches(work: Work) -> dict[str, Callable[[], Phase]]:
    """The approaches to go through, in order; each is set up when its turn comes.

    Left to itself the recipe goes through them all up to the chosen one; an approach that is asked for by name follows the
    head, which it needs, at once.
    """
    last = work.plan.approach
    up_to_last = transfer.APPROACHES[: transfer.APPROACHES.index(last) + 1]
    names = up_to_last if work.config.unfreeze == "auto" else dict.fromkeys((transfer.HEAD, last))
    return {name: partial(set_up, work, name) for name in names}


def set_up(work: Work, name: str) -> Phase:
    """One approach, ready to train."""
    config, model, data = work.config, work.model, work.plan.data
    augmentation = presets.preset(config.augment, flip=config.flip)
    num_parameters = transfer.unfreeze(work.backbone, name)
    unfrozen = (
        f"{num_parameters:,} parameters of the base are trained, and the head" if num_parameters else "the head is trained"
    )
    work.story.tell(f"'{name}': {unfrozen}.")
    schedule = {"epochs": config.epochs or EPOCHS[name], "batch_size": config.batch_size, "seed": config.seed}
    if name == transfer.HEAD:
        return phases.head_phase(model, *features_of(work, augmentation), **schedule)
    schedule |= {"feeding": feeding_of(work, augmentation), "flips": config.flip, "skipped": work.skipped}
    return phases.image_phase(model.classifier, name, data.train, data.val, **schedule)


def feeding_of(work: Work, augmentation: presets.Augmentation) -> Feeding:
    """How the training images of an approach that trains the base are made."""
    config, train = work.config, work.plan.data.train
    augmentation = dataclasses.replace(augmentation, mix=None if config.mix == "none" else config.mix)
    local = config.data_service is None
    ratios = lasting_ratios(train, augmentation, work.plan.size)
    cache = open_cache(train, config.cache, ratios=ratios, say=work.story.tell) if local else None
    feeding = Feeding(augmentation, cache=cache, service=config.data_service)
    place, reason = config.augment_on, "as asked"
    if place == "auto":
        place, reason = choose_place(feeding, work.model.classifier, train, batch_size=config.batch_size)
    work.story.tell(f"Images are mirrored, colored and mixed on '{place}': {reason}.")
    return dataclasses.replace(feeding, augment_on=place)


def features_of(work: Work, augmentation: presets.Augmentation) -> tuple[Index, list[np.ndarray], Index, list[np.ndarray]]:
    """The base's output for every image and its augmented views, from the cache where it is known.

    Returns:
        the training index and its views ``(N, D)``, the validation index and its own, with the mirror image.
    """
    cache = FeatureCache(work.model.extractor, say=work.story.tell)
    data, skipped, seed = work.plan.data, work.skipped, work.config.seed
    views = [cache.features(data.train, skipped=skipped)]
    for view in range(work.config.views):
        views.append(cache.features(data.train, skipped=skipped, augmentation=augmentation, seed=seed, view=view))
    train, views = without_vanished(data.train, views)
    looks = (False, True) if work.config.flip else (False,)
    val, val_views = without_vanished(data.val, [cache.features(data.val, skipped=skipped, mirrored=look) for look in looks])
    return train, views, val, val_views


def without_vanished(index: Index, views: list[np.ndarray]) -> tuple[Index, list[np.ndarray]]:
    """Leave out the samples whose files could not be read any more, which have no features."""
    kept = np.all([np.isfinite(view[:, 0]) for view in views], axis=0)
    return (index, views) if kept.all() else (index.take(np.flatnonzero(kept)), [view[kept] for view in views])


if __name__ == "__main__":
    command_line(main, Config, __doc__)
