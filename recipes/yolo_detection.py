"""YOLO detection: from boxes in a folder to boxes on an image.

    python recipes/yolo_detection.py                    # built-in images with exact boxes: some minutes on 2 cores
    python recipes/yolo_detection.py --data my_boxes/   # Pascal VOC, COCO or YOLO annotations, or a table of boxes
    python recipes/yolo_detection.py --smoke            # does everything work? Under a minute

A pretrained base (EfficientNet-Lite0, installed with visionkit), a feature pyramid, and a grid of answers a scale. Anchors
come from the data. Images are put together by fours (mosaic), but for the last third of the epochs; each epoch sees
them at another size.

Expected on blood cells (BCCD, 205 training images): mAP at IoU 0.5 of 0.906 (seed 0), after 15 minutes on 2 cores.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import visionkit

visionkit.quiet_tensorflow()

import albumentations as A  # noqa: N812
import numpy as np

from visionkit.data import sources
from visionkit.data.augmentation import presets
from visionkit.data.augmentation.parameters import lasting_ratios
from visionkit.data.demo.scenes import make_detection_demo
from visionkit.data.index import SkippedFiles
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.files import cache_folder
from visionkit.metrics.detection import evaluate
from visionkit.models import catalog
from visionkit.tasks.detection import detectors, trainable
from visionkit.tasks.detection import plan as detection_plan
from visionkit.tasks.detection.evaluate import answers_to_annotated, litert_answers_to_annotated
from visionkit.tasks.detection.export import export_detector
from visionkit.tasks.detection.report import AnchorScale, DetectionReport, write_detection_report
from visionkit.tasks.detection.train import SAME_OBJECT, Schedule, detection_phase, measure
from visionkit.training import runtime
from visionkit.training.augment_device import Feeding
from visionkit.training.dataset import first_images
from visionkit.training.fit import load_weights, train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder

SMOKE = {"epochs": 2, "size": 160, "batch_size": 8}
LARGEST_STRIDE = 32


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images with boxes: a folder or file in VOC, COCO or YOLO form, a table, or tfds:NAME. Default: built-in images."""
    out: Path | None = None
    """Folder of this run. Default: runs/yolo_detection-<time>."""
    model: str = "yolo_nano"
    """yolo_nano, yolo_small; or of keras-cv: keras_cv:yolo_v8_s, keras_cv:retinanet_resnet50, ..."""
    base: str | None = None
    """Backbone of visionkit's own: a network that `visionkit models` lists. Default: efficientnet_lite0."""
    weights: str = "imagenet"
    """Its weights: imagenet, none, or the path of a .weights.h5, .keras, .safetensors or PyTorch file."""
    scales: Literal[1, 2, 3] = 3
    """How many grids: 3 for objects of all sizes, 1 for small ones alone."""
    freeze: Literal[0, 2, 4, 8, 16] = 4
    """The base's layers up to this stride keep their weights; 0 trains all."""
    size: int | None = None
    """Side of the network's input in pixels, a multiple of 32. Default: by the size of the objects, 320 to 640."""
    epochs: int | None = None
    """Default: by the number of images."""
    batch_size: int = 8
    """Images a step."""
    learning_rate: float = 2e-3
    """The peak, after the warm-up."""
    presets: Literal["light", "medium", "strong"] = "strong"
    """How far training images are varied; strong puts four of them together."""
    flip: bool = True
    """Whether a mirror image shows the same."""
    any_way_up: bool = False
    """Images have no top (microscopes, satellites): they are turned by quarters and mirrored both ways."""
    multi_scale: bool = True
    """Whether epochs see images at different sizes, up to a fifth smaller and larger."""
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
        check_at_least(self, epochs=1, size=LARGEST_STRIDE, batch_size=1, learning_rate=0, seed=0)

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be read, is told now."""
        detectors.find(self.model)
        if self.size is not None and self.size % LARGEST_STRIDE:
            raise UserError(f"--size {self.size}: expected a multiple of {LARGEST_STRIDE}.")
        if self.base is not None:
            catalog.find(self.base)
            if self.model.startswith(detectors.FOREIGN):
                raise UserError(f"--base {self.base}: {self.model} has a backbone of its own; leave one of the two out.")
        weights = self.weights if self.weights in ("imagenet", "none") else str(Path(self.weights).resolve())
        data = self.data
        if data is not None and not data.startswith("tfds:"):
            data = str(Path(data).resolve())
        if data is not None:
            train_and_val(sources.read(data), seed=self.seed)
        return dataclasses.replace(self, weights=weights, data=data)


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="yolo_detection", smoke=SMOKE)


@dataclass(frozen=True)
class Plan:
    """What is decided at the start of a run, and kept when it is resumed."""

    data: Splits
    size: int
    epochs: int
    anchors: list[np.ndarray]


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    plan = make_plan(run, config, skipped, story)
    train, val = plan.data.train, plan.data.val
    detector = build(config, plan)
    count = sum(int(np.prod(weight.shape)) for weight in detector.network.trainable_weights)
    story.tell(
        f"{config.model}, {detector.network.count_params():,} parameters, of which {count:,} are trained, on a {device}."
    )

    schedule = schedule_of(config, plan, any_size=detector.any_size)
    feeding = feeding_of(config, plan, schedule.sizes, story)
    options = {"feeding": feeding, "schedule": schedule, "seed": config.seed, "skipped": skipped}
    history = train_in_order(run, {"train": lambda: detection_phase(detector, train, val, **options)}, detector.network)
    load_weights(detector.network, run.weights_file("train"))

    print("Exporting ...", flush=True)
    answering = detector.at_size(plan.size)
    in_training = measure(answering, val, config.batch_size, skipped)
    bundle = export_detector(
        answering,
        run.path / "model",
        class_names=val.class_names,
        threshold=in_training.threshold,
        metadata={"base": config.model, "made_by": f"visionkit {visionkit.__version__}, recipes/yolo_detection.py"},
        half_precision=config.half_precision,
        iou_threshold=SAME_OBJECT,
    )
    seen, found = answers_to_annotated(bundle, val, skipped)
    truth = detection_plan.truths(seen)
    measured = evaluate(truth, found, seen.class_names)
    story.tell(
        f"The bundle's mAP at IoU 0.5 is {measured.map50:.4f}, that of the network in training {in_training.map50:.4f}. Its "
        f"threshold, {in_training.threshold:.3f}, is where F1 is best on these same validation images."
    )
    metrics = measured.numbers()
    litert_model = litert_answers_to_annotated(bundle, val, skipped)
    if litert_model is not None:
        litert_metrics = evaluate(detection_plan.truths(litert_model[0]), litert_model[1], seen.class_names)
        metrics |= {
            f"litert_{name}": litert_metrics.numbers()[name] for name in ("map50", "map") if name in litert_metrics.numbers()
        }
        story.tell(f"The LiteRT model's mAP at IoU 0.5 is {litert_metrics.map50:.4f}.")
    metrics["threshold"] = in_training.threshold
    metrics["seconds"] = round(run.seconds(), 1)
    update_metadata(bundle, metrics=metrics)
    report = DetectionReport(
        title=f"Detection: {', '.join(val.class_names[:6])}{', ...' if len(val.class_names) > 6 else ''}",
        sentences=story.sentences,
        metrics=metrics,
        history=history,
        measured=measured,
        paths=list(seen.paths),
        truth=truth,
        found=found,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
        train_counts=detection_plan.object_counts(train),
        **(anchors_of(config, plan, story) if plan.anchors else {}),
    )
    write_detection_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


def make_plan(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> Plan:
    """Index the images, open each once, leave out what cannot be read, and decide how to train.

    A resumed run keeps to its first list of files and boxes: what was added since is not seen, what has vanished is skipped.
    """
    kept = run.read_json("plan.json")
    source = config.data or built_in(config)
    splits = train_and_val(sources.read(source), seed=config.seed) if kept is None else Splits.from_plain(kept["data"])
    splits = first_images(splits, detection_plan.SMOKE_IMAGES) if config.smoke and kept is None else splits
    scanned, listed = detection_plan.usable(splits, source, skipped, story)
    if kept is not None:
        return Plan(scanned, kept["size"], kept["epochs"], [np.array(each, np.float32) for each in kept["anchors"]])
    size, reason = (config.size, "as asked") if config.size else detection_plan.choose_size(scanned.train)
    story.tell(f"Input of {size} x {size} pixels: {reason}.")
    epochs, reason = (config.epochs, "as asked") if config.epochs else detection_plan.choose_epochs(len(scanned.train))
    story.tell(f"{epochs} epochs: {reason}.")
    own = not config.model.startswith(detectors.FOREIGN)
    chosen = detection_plan.choose_anchors(scanned.train, size, config.scales, detectors.ANCHORS, config.seed) if own else []
    run.write_json(
        "plan.json",
        {"data": listed.to_plain(), "size": size, "epochs": epochs, "anchors": [each.tolist() for each in chosen]},
    )
    return Plan(scanned, size, epochs, chosen)


def built_in(config: Config) -> Path:
    """The built-in images, made when they are first asked for; a smoke run makes as few as it needs."""
    if not config.smoke:
        return make_detection_demo(cache_folder() / "detection_demo")
    few = detection_plan.SMOKE_IMAGES
    folder = cache_folder() / "detection_demo_smoke"
    return make_detection_demo(folder, num_train=few["training"], num_val=few["validation"])


def build(config: Config, plan: Plan) -> trainable.TrainableDetector:
    """The detector, with the weights to begin with."""
    return detectors.build(
        config.model,
        len(plan.data.train.class_names),
        plan.anchors,
        base=config.base,
        weights=None if config.weights == "none" else config.weights,
        frozen_stride=config.freeze or None,
        size=plan.size,
    )


def schedule_of(config: Config, plan: Plan, *, any_size: bool) -> Schedule:
    """How long, how large, how fast."""
    spread = round(plan.size / 5 / LARGEST_STRIDE) * LARGEST_STRIDE if config.multi_scale and any_size else 0
    return Schedule(
        epochs=plan.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        plain_epochs=plan.epochs // 3,
        size=plan.size,
        sizes=tuple(range(plan.size - spread, plan.size + spread + 1, LARGEST_STRIDE)),
        validate_every=max(1, plan.epochs // 10),
    )


def feeding_of(config: Config, plan: Plan, sizes: tuple[int, ...], story: Story) -> Feeding:
    """How training images of ``sizes`` pixels are made."""
    augmentation = presets.preset(config.augment, task="detection", flip=config.flip)
    if config.any_way_up:
        turned = (A.D4(p=1.0), *augmentation.transforms)
        augmentation = dataclasses.replace(augmentation, name=f"{augmentation.name}, any way up", transforms=turned)
    ratios = lasting_ratios(plan.data.train, augmentation, max(sizes))
    return Feeding(augmentation, cache=open_cache(plan.data.train, config.cache, ratios=ratios, say=story.tell))


def anchors_of(config: Config, plan: Plan, story: Story) -> dict[str, Any]:
    """What the report shows of the anchors: their sides in pixels, and the objects that share a cell and an anchor."""
    strides, train = detectors.STRIDES[: len(plan.anchors)], plan.data.train
    crowding = detection_plan.count_crowding(train, plan.size, plan.anchors, strides, config.seed)
    for stride, scale in zip(strides, crowding.scales, strict=True):
        story.tell(
            f"Stride {stride}: {scale.objects} objects of {crowding.images} training images fit its anchors; "
            f"{scale.sharing} share a cell and an anchor with another, {scale.hidden} all of theirs."
        )
    made = zip(strides, plan.anchors, crowding.scales, strict=True)
    return {
        "scales": tuple(AnchorScale(s, anchors * plan.size, scale.objects, scale.sharing) for s, anchors, scale in made),
        "sides": detection_plan.sides_of(detection_plan.letterboxed(train, plan.size)) * plan.size,
        "unmatched": crowding.unmatched,
    }


if __name__ == "__main__":
    command_line(main, Config, __doc__)
