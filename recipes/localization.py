"""From "what is it?" to "where is it?", in three steps: one object and its box; landmarks; windows that slide over an image.

    python recipes/localization.py                                # one object or none: is it there, where, and what is it?
    python recipes/localization.py --step landmarks               # where are the eyes, the nose and the mouth of a cat?
    python recipes/localization.py --step landmarks --data faces/ # a table of landmarks: image,part_0_x,part_0_y,part_1_x,...
    python recipes/localization.py --step windows                 # a classifier of windows, as convolutions, in one pass
    python recipes/localization.py --data my_voc/                 # VOC, COCO or YOLO: images of one object or none
    python recipes/localization.py --smoke                        # does everything work? Under a minute

The first two steps train a head on a frozen EfficientNet-Lite0 with its weights for ImageNet. The built-in data are cut-outs of
real objects on real photographs (see visionkit/data/demo/scenes.py): they show that everything works, not how well a network
does in a street.

For several objects of several sizes in an image there is yolo_detection.py.

Expected with seed 0, in brackets what a constant prediction reaches (the mean box and class, the mean shape):

    an object      mean IoU 0.706 (0.150), its class 0.940 (0.181), whether there is one 0.920 (0.773); 12 epochs
    landmarks      of 55 faces, 68 points, --size 160: median error 0.076 (0.222) of the diagonal of the box around them
    windows        accuracy 0.969 (0.233); 12,255 windows in one pass 18 to 22 times as fast as one by one, logits equal to 2e-5
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

from visionkit import models
from visionkit.data.augmentation import presets
from visionkit.data.demo import scenes
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.models.catalog import find
from visionkit.models.lenet import lenet5
from visionkit.models.localizer import landmark_finder, localizer
from visionkit.tasks.classification import windows
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.train import Schedule
from visionkit.tasks.localization import evaluate, export, plan, report, train
from visionkit.training import runtime
from visionkit.training.config import RunConfig
from visionkit.training.fine_tuning import FineTuningOptions, check_base, parts_of, phases_of, tuned
from visionkit.training.freezing import BASE, Freeze
from visionkit.training.options import OWN, checked_weights
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.training.start_model import Head
from visionkit.viz.rate_curve import with_found_rates

SIDE = 32  # pixels of a window
HEADS = {"classes": Head(), "maps": Head(), "predictions": Head()}
BUILT_IN = {
    "object": scenes.make_localization_demo,
    "landmarks": scenes.make_landmark_demo,
    "windows": scenes.make_window_demo,
}
AUGMENTATIONS = {"object": presets.preset("detection-light", flip=False), "landmarks": presets.preset("keypoints-strong")}
EPOCHS = {"object": 12, "landmarks": 40, "windows": 12}
BATCH_SIZES = {"object": 16, "landmarks": 16, "windows": 64}
SMOKE = {"epochs": 2, "size": 64}


@dataclass(frozen=True)
class Config(FineTuningOptions, RunConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images with boxes in VOC, COCO or YOLO form; for landmarks a table, or COCO keypoints. Default: built-in images."""
    step: plan.Step = "object"
    """What is learnt."""
    base: str = "efficientnet_lite0"
    """Pretrained network of object and landmarks: any that `visionkit models` lists, if its weights are available."""
    weights: str = "imagenet"
    """Weights of the base: imagenet or a path."""
    epochs: int | None = None
    """Default: 12, for landmarks 40."""
    batch_size: int | None = None
    """Images a step. Default: 16, for windows 64."""
    size: int = 128
    """Side of the network's input in pixels; that of windows is always 32."""
    learning_rate: float | Literal["auto"] = 2e-3
    """The peak learning rate of a warm-up and cosine schedule; auto tries about 100 steps with rising rates first."""

    pretrained: ClassVar[bool] = True  # the base is frozen
    FROZEN: ClassVar[Freeze] = BASE
    SHAPING: ClassVar[tuple[str, ...]] = ("step", "base", "size")
    LEAST: ClassVar[dict[str, float]] = FineTuningOptions.FINE_TUNING_LEAST | {
        "epochs": 1,
        "batch_size": 1,
        "size": 64,
        "learning_rate": 1e-9,
    }

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        super().check_options()
        check_base(self, "the network of windows has no pretrained base" if self.step == "windows" else None)

    def checked(self) -> "Config":
        """See ``RunConfig.checked``."""
        if self.size % 32:
            raise UserError(f"--size {self.size}: expected a multiple of 32, for example 128.")
        config = replace(super().checked(), base=find(self.base), weights=checked_weights(self.base, self.weights))
        if config.data is not None:
            plan.read_data(config.data, config.step, seed=config.seed, allow_outside=config.allow_outside)
        return config


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="localization", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, then the step, then the report."""
    device = runtime.prepare(config.seed)
    data = plan.open_data(run, config, config.step, built_in=BUILT_IN[config.step])
    schedule = Schedule(
        epochs=config.epochs or EPOCHS[config.step],
        batch_size=config.batch_size or BATCH_SIZES[config.step],
        learning_rate=config.learning_rate,
    )
    run.note(f"Step {config.step}: {schedule.epochs} epochs, on a {device}.")
    (slide_windows if config.step == "windows" else locate)(run, config, data, schedule)


def locate(run: Run, config: Config, data: Splits, schedule: Schedule) -> None:
    """One object or none, or landmarks: a head on a frozen base."""
    weights = None if config.weights == OWN else config.weights
    backbone = models.build(config.base, (config.size, config.size, 3), None, weights=weights)
    parts = parts_of(config, backbone, schedule.epochs, name="training")
    pipeline = TrainingPipeline(data.train, config.size, schedule.batch_size, AUGMENTATIONS[config.step], seed=config.seed)
    if config.step == "object":
        task, names, phase = "localization", data.train.class_names, train.object_phase
        network = localizer(backbone, len(names))
    else:
        task, names, phase = "landmarks", plan.landmark_names(data.train), train.landmark_phase
        network = landmark_finder(backbone, len(names))
        run.note("Errors are mean distances of an image's landmarks, in diagonals of the box around the true ones.")
    run.start_from(config, network, names, HEADS)
    phases = phases_of(run, config, backbone, parts, lambda: phase(network, pipeline, data.val, schedule))
    history = run.train(phases, network)

    run.say("Exporting ...")
    metadata = {"base": config.base, **run.described(config)}
    bundle = export.export_locator(network, run.model, task=task, class_names=names, metadata=metadata)
    evaluation = evaluate.evaluate(bundle, data.val, data.train)
    run.finish(bundle, evaluation.metrics, with_found_rates(report.report(evaluation, data, history), run.found_rates))


def slide_windows(run: Run, config: Config, data: Splits, schedule: Schedule) -> None:
    """A classifier of windows; the same as convolutions; both over the validation images."""
    samples = windows.open_windows(run, data, side=SIDE, seed=config.seed)
    names = samples.train.class_names
    classifier = lenet5((SIDE, SIDE, 3), len(names), filters=(16, 32), activation="relu", pooling="Max")
    run.start_from(config, classifier, names, HEADS)
    phase = tuned(windows.window_phase(classifier, samples.train, samples.val, schedule, seed=config.seed), config, None)
    history = run.train({phase.name: lambda: phase}, classifier)

    run.say("Exporting ...")
    metadata = {"base": "lenet5", **run.described(config)}
    bundle = export_classifier(classifier, run.model, class_names=names, metadata=metadata, whole=True)
    evaluation = windows.evaluate_windows(bundle, classifier, samples, data.val)
    run.note(evaluation.sentence)
    figures = windows.draw_windows(evaluation, classifier, names)
    gallery = report.Gallery("Predictions for all windows", "Red: probably an object; a box around each peak.", figures)
    options = {"columns": ("loss", "accuracy"), "skipped": data.skipped}
    page = report.gallery_report("Localization: windows", [gallery], history, **options)
    run.finish(bundle, evaluation.metrics, with_found_rates(page, run.found_rates))


if __name__ == "__main__":
    command_line(main, Config, __doc__)
