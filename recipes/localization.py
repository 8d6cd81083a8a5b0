"""From "what is it?" to "where is it?", in three steps: one object and its box; landmarks; windows that slide over an image.

    python recipes/localization.py                                # one object or none: is it there, where, and what is it?
    python recipes/localization.py --step landmarks               # where are the eyes, the nose and the mouth of a cat?
    python recipes/localization.py --step landmarks --data faces/ # a table of landmarks: image,part_0_x,part_0_y,part_1_x,...
    python recipes/localization.py --step windows                 # a classifier of windows, as convolutions, in one pass
    python recipes/localization.py --data my_voc/                 # VOC, COCO or YOLO; of these, images of one object or none
    python recipes/localization.py --smoke                        # does everything work? Under a minute

The first two steps train a head on EfficientNet-Lite0 as it was trained on ImageNet, frozen. Built-in data are real things,
cut out, on real photographs (see data/detection_demo.py): they show that everything works, not how well it does in a street.

For several objects of several sizes on an image there is yolo_detection.py.

Expected with seed 0, in brackets what a constant answer reaches (the mean box and class, the mean shape):

    an object      mean IoU 0.706 (0.150), its class 0.940 (0.181), whether there is one 0.920 (0.773); 12 epochs
    landmarks      of 55 faces, 68 points, --size 160: median error 0.076 (0.222) of the diagonal of the box around them
    windows        accuracy 0.969 (0.233); 12,255 windows in one pass 18 to 22 times as fast as one by one, logits equal to 2e-5
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import visionkit

visionkit.quiet_tensorflow()

import keras
import numpy as np

from visionkit import models
from visionkit.data.augmentation import presets
from visionkit.data.boxes import cleaned
from visionkit.data.demo import scenes
from visionkit.data.images.decode import read_image
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.collate import num_keypoints, pad_objects
from visionkit.data.sources import read
from visionkit.data.splits import Splits, train_and_val
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.files import cache_folder
from visionkit.metrics.localization import landmark_errors, measure_localization
from visionkit.models.catalog import find
from visionkit.models.fully_convolutional import stride_of
from visionkit.models.lenet import lenet5
from visionkit.models.localizer import landmark_finder, localizer
from visionkit.tasks.classification import transfer
from visionkit.tasks.classification.evaluate import answers_to_small_images
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.sliding import compare, heat_map, peaks
from visionkit.tasks.classification.windows import (
    at_scale,
    cut_windows,
    scale_of,
    window_phase,
)
from visionkit.tasks.localization.export import export_locator
from visionkit.tasks.localization.predict import locate
from visionkit.tasks.localization.report import Gallery, GalleryReport, Shown, write_gallery_report
from visionkit.tasks.localization.train import landmark_phase, localization_phase, object_truth
from visionkit.training import runtime
from visionkit.training.augment_device import Feeding
from visionkit.training.dataset import note_skipped
from visionkit.training.fit import train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder
from visionkit.viz.annotate import draw_boxes, draw_heat, draw_keypoints

SIDE = 32  # pixels of a window
BUILT_IN = {
    "object": scenes.make_localization_demo,
    "landmarks": scenes.make_landmark_demo,
    "windows": scenes.make_window_demo,
}
AUGMENTATIONS = {"object": presets.preset("detection-light", flip=False), "landmarks": presets.preset("keypoints-strong")}
EPOCHS = {"object": 12, "landmarks": 40, "windows": 12}
LEARNING_RATE = 2e-3
BATCH_SIZE = {"object": 16, "landmarks": 16, "windows": 64}
SMOKE = {"epochs": 2, "size": 64}
SMOKE_IMAGES = {"num_train": 24, "num_val": 8}
DRAWN = 12  # images of each kind in the report


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """A detection set; for landmarks a table or keypoints. Default: built-in images."""
    out: Path | None = None
    """Folder of this run. Default: runs/localization-<time>."""
    step: Literal["object", "landmarks", "windows"] = "object"
    """What is learnt."""
    base: str = "efficientnet_lite0"
    """Pretrained network of object and landmarks: any that `visionkit models` lists, if its weights can be had."""
    weights: str = "imagenet"
    """Of the base: imagenet or a path."""
    epochs: int | None = None
    """Default: 12, of landmarks 40."""
    batch_size: int | None = None
    """Images a step; default 16. Windows: 64."""
    size: int = 128
    """Side of the network's input in pixels; of windows it is always 32."""
    learning_rate: float = LEARNING_RATE
    """The highest of a warm-up and cosine schedule."""
    seed: int = 0
    """Makes splits, order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, epochs=1, batch_size=1, size=64, learning_rate=1e-9, seed=0)

    def checked(self) -> "Config":
        """The configuration with a whole path; a misspelt name, or data that cannot be used, is told now."""
        if self.size % 32:
            raise UserError(f"--size {self.size}: expected a multiple of 32, for example 128.")
        data = self.data if self.data is None or self.data.startswith("tfds:") else str(Path(self.data).resolve())
        config = dataclasses.replace(self, data=data, base=find(self.base))
        if data is not None:
            usable(train_and_val(read(data), seed=self.seed), config)
        return config


class Work(NamedTuple):
    """What the steps share."""

    run: RunFolder
    config: Config
    story: Story
    skipped: SkippedFiles
    train: Index
    val: Index

    @property
    def schedule(self) -> dict[str, float]:
        """How long and how fast."""
        c = self.config
        return {
            "epochs": c.epochs or EPOCHS[c.step],
            "batch_size": c.batch_size or BATCH_SIZE[c.step],
            "learning_rate": c.learning_rate,
            "seed": c.seed,
        }


class Result(NamedTuple):
    """What a step leaves for the report."""

    bundle: Path
    metrics: dict[str, float]
    history: list[dict]
    measures: tuple[str, ...]
    galleries: tuple[Gallery, ...]


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="localization", smoke=SMOKE)


def train_and_export(run: RunFolder, config: Config) -> None:
    """All the work: data, then the step, then the report."""
    story, skipped = Story(run), SkippedFiles()
    device = runtime.prepare(config.seed)
    splits = read_data(run, config, story, skipped)
    work = Work(run, config, story, skipped, splits.train, splits.val)
    story.tell(f"Step {config.step}: {work.schedule['epochs']} epochs, on a {device}.")
    result = {"object": find_objects, "landmarks": find_landmarks, "windows": slide_windows}[config.step](work)
    metrics = result.metrics | {"seconds": round(run.seconds(), 1)}
    update_metadata(result.bundle, metrics=metrics)
    report = GalleryReport(
        title=f"Localization: {config.step}",
        sentences=story.sentences,
        metrics=metrics,
        history=result.history,
        measures=result.measures,
        galleries=result.galleries,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
    )
    write_gallery_report(report, run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished


def read_data(run: RunFolder, config: Config, story: Story, skipped: SkippedFiles) -> Splits:
    """Read and split the data; a resumed run keeps to its images."""
    source = config.data
    if source is None:
        folder = cache_folder() / f"{config.step}{'-smoke' if config.smoke else ''}-{config.seed}"
        source = BUILT_IN[config.step](folder, seed=config.seed, **(SMOKE_IMAGES if config.smoke else {}))
    splits = usable(train_and_val(read(source), seed=config.seed), config)
    plan = run.read_json("plan.json")
    if plan is None:
        run.write_json("plan.json", {"train": splits.train.paths, "val": splits.val.paths})
    else:
        splits = dataclasses.replace(splits, **{name: listed(splits, paths) for name, paths in plan.items()})
    splits = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    story.tell(f"{len(splits.train)} training and {len(splits.val)} validation images: {config.data or 'built-in'}.")
    note_skipped(splits.notes, splits.problems, skipped, story)
    return splits


def listed(splits: Splits, paths: list[str]) -> Index:
    """The images of a plan, as far as they are still there."""
    known = {p: one for index in (splits.train, splits.val) for p, one in zip(index.paths, index.annotations, strict=True)}
    kept = tuple(path for path in paths if path in known)
    labels, annotations = np.full(len(kept), -1, np.int32), tuple(known[path] for path in kept)
    return dataclasses.replace(splits.train, paths=kept, labels=labels, annotations=annotations)


def usable(splits: Splits, config: Config) -> Splits:
    """The images that a step can learn from.

    Raises:
        UserError: there are none for training, or none for validation.
    """
    fewest, most = {"object": (0, 1), "landmarks": (1, 1), "windows": (0, np.inf)}[config.step]

    def chosen(index: Index, name: str) -> Index:
        objects = [None if one.objects is None else cleaned(one.objects) for one in index.annotations]
        rows = [i for i, each in enumerate(objects) if each is not None and fewest <= len(each) <= most]
        if config.step == "landmarks":
            rows = [i for i in rows if objects[i].keypoints is not None]
        if not rows or not sum(len(objects[i]) for i in rows):
            wanted = {"object": "at most one box", "landmarks": "the landmarks of one thing", "windows": "boxes"}[config.step]
            raise UserError(f"{config.data}: none of {len(index)} {name} images can be used: expected {wanted} on each.")
        return index.take(rows)

    found = splits.map(chosen)
    left_out = len(splits.train) + len(splits.val) - len(found.train) - len(found.val)
    note = (f"{left_out} images left out that have more objects, or none",) if left_out else ()
    return dataclasses.replace(found, notes=(*found.notes, *note))


def pretrained(config: Config) -> keras.Model:
    """The frozen base."""
    backbone = models.build(config.base, (config.size, config.size, 3), None, weights=config.weights)
    transfer.unfreeze(backbone, transfer.HEAD)
    return backbone


def train_locator(work: Work, network: keras.Model, class_names: tuple[str, ...]) -> tuple[Path, list[dict]]:
    """Train and export a network that says where; the bundle and the history."""
    config, task = work.config, {"object": "localization", "landmarks": "landmarks"}[work.config.step]
    set_up = localization_phase if task == "localization" else landmark_phase
    feeding = Feeding(AUGMENTATIONS[config.step], cache=None)
    phase = set_up(network, work.train, work.val, feeding=feeding, skipped=work.skipped, **work.schedule)
    history = train_in_order(work.run, {phase.name: lambda: phase})
    print("Exporting ...", flush=True)
    metadata = {"base": config.base, "made_by": f"visionkit {visionkit.__version__}, recipes/localization.py"}
    return export_locator(network, work.run.path / "model", task=task, class_names=class_names, metadata=metadata), history


def find_objects(work: Work) -> Result:
    """One object or none: y = (is it there, center x, center y, width, height, classes)."""
    names = work.train.class_names
    bundle, history = train_locator(work, localizer(pretrained(work.config), len(names)), names)
    found = locate(bundle, work.val.paths)
    truth, train_truth = (truth_of(index) for index in (work.val, work.train))
    classes = np.eye(len(names))[[names.index(label) for label in found["label"]]]
    middle, sides = (found["box"][:, :2] + found["box"][:, 2:]) / 2, found["box"][:, 2:] - found["box"][:, :2]
    answer = np.column_stack([found["presence"] - 0.5, middle, sides, classes])
    metrics = {
        name: measure_localization(truth, answer)._asdict()[name] for name in ("mean_iou", "accuracy", "presence_accuracy")
    }
    there = train_truth[:, 0] > 0
    usual = np.concatenate([[there.mean() - 0.5], train_truth[there, 1:].mean(axis=0)])
    peer = measure_localization(truth, np.tile(usual, (len(truth), 1)))
    metrics |= {f"{name}_of_the_mean_answer": value for name, value in peer._asdict().items()}
    overlaps = np.array([measure_localization(truth[[row]], answer[[row]]).mean_iou for row in range(len(truth))])
    right = (answer[:, 0] > 0) == (truth[:, 0] > 0)

    def shown(row: int) -> Shown:
        corners = truth[row, [1, 2, 1, 2]] + truth[row, [3, 4, 3, 4]] * (-0.5, -0.5, 0.5, 0.5)
        boxes, kinds = [corners, found["box"][row]], [-1 if truth[row, 0] == 0 else 0, -1 if answer[row, 0] <= 0 else 1]
        label = f"{found['label'][row]} {found['score'][row]:.0%}"
        image = draw_boxes(read_image(work.val.paths[row]), np.array(boxes), np.array(kinds), ("truth", label))
        says = f"an object: {found['presence'][row]:.0%}" + (
            f", IoU {overlaps[row]:.2f}" if truth[row, 0] else ", none is there"
        )
        return Shown(image, says)

    worst = sorted(range(len(truth)), key=lambda row: (right[row], np.nan_to_num(overlaps[row], nan=2.0)))
    first = Gallery("Validation images", "The first ones: truth and answer.", [shown(row) for row in range(len(truth))[:DRAWN]])
    last = Gallery("Images it got most wrong", "Objects overlooked or imagined first.", [shown(row) for row in worst[:DRAWN]])
    return Result(bundle, metrics, history, ("loss", "presence_accuracy", "accuracy", "mean_iou"), (first, last))


def truth_of(index: Index) -> np.ndarray:
    """What is annotated, ``(N, 5 + num_classes)``, relative to each image."""
    return object_truth(len(index.class_names))(pad_objects([cleaned(one.objects) for one in index.annotations], 0))


def find_landmarks(work: Work) -> Result:
    """K landmarks an image."""
    count = num_keypoints(work.train)
    attributes = work.train.class_attributes[0] if work.train.class_attributes else {}
    names = tuple(attributes.get("keypoints") or map(str, range(count)))
    bundle, history = train_locator(work, landmark_finder(pretrained(work.config), count), names)
    points = locate(bundle, work.val.paths)["points"]
    truth, train_truth = (inside(index) for index in (work.val, work.train))
    seen = train_truth[..., 2:] > 0
    mean_shape = (train_truth[..., :2] * seen).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    errors = landmark_errors(truth, points, work.val.shapes)
    of_mean = landmark_errors(truth, np.tile(mean_shape, (len(truth), 1, 1)), work.val.shapes)
    metrics = {"median_error": np.nanmedian(errors), "mean_error": np.nanmean(errors)}
    metrics |= {f"{name}_error_of_the_mean_shape": of(of_mean) for name, of in (("median", np.nanmedian), ("mean", np.nanmean))}
    work.story.tell("Errors are mean distances of an image's landmarks, in diagonals of the box around the true ones.")

    def shown(row: int) -> Shown:
        hollow = np.where(truth[row, :, 2:] > 0, [[1, 1, 0]], 0) * truth[row] + np.where(truth[row, :, 2:] > 0, [[0, 0, 1]], 0)
        filled = np.column_stack([points[row], np.full(count, 2)])
        image = draw_keypoints(read_image(work.val.paths[row]), np.stack([hollow, filled]))
        return Shown(image, f"error {errors[row]:.3f}")

    worst = np.argsort(-np.nan_to_num(errors))
    says = "Rings are the truth, dots the answer; a landmark has one color."
    first = Gallery("Validation images", says, [shown(row) for row in range(len(truth))[:DRAWN]])
    last = Gallery("Images it got most wrong", says, [shown(row) for row in worst[:DRAWN]])
    return Result(bundle, {name: float(v) for name, v in metrics.items()}, history, ("loss", "median_error"), (first, last))


def inside(index: Index) -> np.ndarray:
    """Landmarks ``(N, K, 3)``; those outside of their image are not seen."""
    points = np.stack([one.objects.keypoints[0] for one in index.annotations])
    within = ((points[..., :2] >= 0) & (points[..., :2] <= 1)).all(axis=-1)
    return points * within[..., None]


def slide_windows(work: Work) -> Result:
    """A classifier of windows; the same as convolutions; both over the validation images."""
    config, scale = work.config, scale_of(work.train, SIDE)
    train, val = (
        cut_windows(index, side=SIDE, scale=scale, seed=config.seed, skipped=work.skipped) for index in (work.train, work.val)
    )
    work.story.tell(f"{len(train):,} training and {len(val):,} validation windows of {SIDE} pixels; images times {scale:.2f}.")
    options = {"filters": (16, 32), "activation": "relu", "pooling": "Max"}
    classifier = lenet5((SIDE, SIDE, 3), len(train.class_names), **options)
    phase = window_phase(classifier, train, val, **work.schedule)
    history = train_in_order(work.run, {phase.name: lambda: phase})
    metadata = {"base": "lenet5", "made_by": f"visionkit {visionkit.__version__}, recipes/localization.py"}
    folder = work.run.path / "model"
    bundle = export_classifier(classifier, folder, class_names=train.class_names, metadata=metadata, whole=True)
    accuracy = float((answers_to_small_images(bundle, val).argmax(axis=1) == val.labels).mean())
    most_frequent = float((val.labels == train.counts().argmax()).mean())
    images = [at_scale(read_image(path), scale, SIDE) for path in work.val.paths[:DRAWN]]
    compared, logits = compare(classifier, [image.astype(np.float32) for image in images])
    work.story.tell(
        f"{compared.windows:,} windows of an image of {' x '.join(map(str, images[0].shape[1::-1]))} pixels: "
        f"{compared.seconds_by_cropping:.3f} seconds by cropping, {compared.seconds_at_once:.3f} in one pass, "
        f"{compared.speed_up:.0f} times as fast. The logits of all windows of {len(images)} images differ by at most "
        f"{compared.difference:.1g}."
    )
    grid, shown = {"side": SIDE, "stride": stride_of(classifier)}, []
    for image, answer in zip(images, logits, strict=True):
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(answer))
        found = peaks(probabilities, **grid)
        hot = draw_heat(image, heat_map(probabilities, image.shape[:2], **grid))
        boxes = found.boxes / np.tile(image.shape[1::-1], 2)
        shown.append(Shown(draw_boxes(hot, boxes, found.classes, val.class_names), f"{len(boxes)} peaks"))
    gallery = Gallery("What the windows say", "Red: surely no background; a box around each peak.", shown)
    metrics = {"accuracy": accuracy, "accuracy_most_frequent_class": most_frequent, **compared._asdict()}
    return Result(bundle, metrics, history, ("loss", "accuracy"), (gallery,))


if __name__ == "__main__":
    command_line(main, Config, __doc__)
