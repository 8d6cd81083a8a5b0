"""YOLO detection: from boxes in a folder to boxes on an image.

    python recipes/yolo_detection.py                    # built-in images with exact boxes: some minutes on 2 cores
    python recipes/yolo_detection.py --data my_boxes/   # Pascal VOC, COCO or YOLO annotations, or a table of boxes
    python recipes/yolo_detection.py --smoke            # does everything work? Under a minute

A pretrained base (EfficientNet-Lite0, installed with visionkit), a feature pyramid, and a grid of predictions at each of its
levels. Anchors come from the data. Training images are mosaics of four, except in the last third of the epochs; each epoch sees
them at another size.

Expected on blood cells (BCCD, 205 training images): mAP at IoU 0.5 of 0.906 (seed 0), after 15 minutes on 2 cores.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

import numpy as np

from visionkit.data import sources
from visionkit.data.demo.scenes import make_detection_demo
from visionkit.data.splits import train_and_val
from visionkit.errors import UserError
from visionkit.models import catalog
from visionkit.models.yolo import VARIANTS
from visionkit.tasks.detection import detectors, evaluate, export, plan, report, train
from visionkit.training import runtime
from visionkit.training.config import TrainConfig
from visionkit.training.fine_tuning import check_base, parts_of, phases_of
from visionkit.training.freezing import Freeze, freeze_base
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.viz.rate_curve import with_found_rates

SMOKE = {"epochs": 2, "size": 160, "batch_size": 8}
LARGEST_STRIDE = detectors.STRIDES[-1]


@dataclass(frozen=True)
class Config(TrainConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images with boxes: a folder or file in VOC, COCO or YOLO form, a table, or tfds:NAME. Default: built-in images."""
    model: str = "yolo_nano"
    """yolo_nano, yolo_small; or of keras-cv: keras_cv:yolo_v8_s, keras_cv:retinanet_resnet50, ..."""
    base: str | None = None
    """Backbone of visionkit's own models: a network that `visionkit models` lists. Default: efficientnet_lite0."""
    scales: Literal[1, 2, 3] = 3
    """How many grids: 3 for objects of all sizes, 1 for small ones alone."""
    size: int | None = None
    """Side of the network's input in pixels, a multiple of 32. Default: chosen by the size of the objects, 320 to 640."""
    learning_rate: float | Literal["auto"] = 2e-3
    """The peak learning rate, after the warm-up; auto tries about 100 steps with rising rates first."""
    augment: Literal["light", "medium", "strong"] = "strong"
    """How strongly training images are augmented; strong makes mosaics of four."""
    any_way_up: bool = False
    """Images have no top (microscopes, satellites): they are turned by quarters and mirrored both ways."""
    multi_scale: bool = True
    """Whether epochs see images at different sizes, up to a fifth smaller and larger."""

    SHAPING: ClassVar[tuple[str, ...]] = ("model", "base", "scales")
    FROZEN: ClassVar[Freeze] = "4"
    BASE_RATE: ClassVar[float] = 0.1

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        super().check_options()
        is_foreign = self.model.startswith(detectors.FOREIGN)
        check_base(self, f"{self.model} has no pretrained base" if is_foreign else self.why_random())

    @property
    def backbone(self) -> str | None:
        """See ``TrainConfig.backbone``."""
        return self.base or (VARIANTS[self.model].backbone if self.model in VARIANTS else None)

    def checked(self) -> "Config":
        """The configuration with whole paths; a misspelt name, or data that cannot be read, is reported now."""
        detectors.find(self.model)
        if self.size is not None and self.size % LARGEST_STRIDE:
            raise UserError(f"--size {self.size}: expected a multiple of {LARGEST_STRIDE}.")
        if self.base is not None:
            catalog.find(self.base)
            if self.model.startswith(detectors.FOREIGN):
                raise UserError(f"--base {self.base}: {self.model} has a backbone of its own; leave one of the two out.")
        config = super().checked()
        if config.data is not None:
            splits = train_and_val(sources.read(config.data, allow_outside=config.allow_outside), seed=config.seed)
            plan.refuse_without_boxes(splits, config.data)
        return config


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="yolo_detection", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    device = runtime.prepare(config.seed)
    data = plan.open_data(run, config, built_in=make_detection_demo)
    num_levels = 0 if config.model.startswith(detectors.FOREIGN) else config.scales
    known = {"num_levels": num_levels, "anchors": run.start_option(config, "anchors")}
    chosen = run.plan(plan.Plan, lambda: plan.choose_plan(run, data, config, **known))

    options = {"base": config.base, "weights": config.pretrained_weights, "pretrained": config.pretrained}
    num_classes = len(data.train.class_names)
    detector = detectors.build(config.model, num_classes, chosen.anchor_arrays, size=chosen.size, **options)
    network, parts = detector.network, parts_of(config, detector.base, chosen.epochs)
    run.start_from(config, network, data.train.class_names, detectors.heads(network))
    if detector.base is not None:
        freeze_base(detector.base, parts[0].freeze)
    num_trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    run.note(f"{config.model}, {network.count_params():,} parameters, of which {num_trained:,} are trained, on a {device}.")

    schedule = train.schedule_of(chosen, config, multi_scale=config.multi_scale and detector.any_size)
    pipeline = train.training_pipeline(run, data.train, chosen, config, schedule, any_way_up=config.any_way_up)
    phases = phases_of(run, config, detector.base, parts, lambda: train.phase(detector, pipeline, data.val, schedule))
    history = run.train(phases, network)

    run.say("Exporting ...")
    exported = detector.at_size(chosen.size)
    in_training = train.measure(exported, data.val, config.batch_size)
    bundle = export.export_detector(
        exported,
        run.model,
        class_names=data.val.class_names,
        threshold=in_training.threshold,
        metadata={"base": config.model, **run.described(config, size=chosen.size, anchors=chosen.anchors)},
        half_precision=config.half_precision,
        iou_threshold=train.SAME_OBJECT,
        trained=network,
    )
    evaluation = evaluate.evaluate(bundle, data.val)
    evaluate.note_results(run, evaluation, in_training)
    fit = plan.note_anchor_fit(run, data, chosen, config.seed)
    page = with_found_rates(report.report(evaluation, data, chosen, history, fit), run.found_rates)
    run.finish(bundle, evaluation.metrics, page)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
