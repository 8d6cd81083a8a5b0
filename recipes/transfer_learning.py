"""Transfer learning: a classifier of your own images, on a laptop, in minutes.

    python recipes/transfer_learning.py                      # built-in photographs: about a minute on 2 cores
    python recipes/transfer_learning.py --data my_images/    # one folder a class; train/ and val/; a table; or tfds:NAME
    python recipes/transfer_learning.py --data my_labels/    # a table with a column of 0 and 1 a class: several labels an image
    python recipes/transfer_learning.py --smoke              # does everything work? Under a minute

It puts a new head on a pretrained base, by one of three approaches:

    head   the base is frozen and its output computed once; each epoch trains only the head
    last   then the last stages are unfrozen and adapted at a low learning rate
    all    then everything is trained, from the pretrained weights

--unfreeze auto goes through them in this order, as far as the number of images allows; a name trains the head, then that one.
--freeze says it by feature maps: base trains the head alone, 8 trains the head and then what comes after stride 8, none the
head and then everything. --unfreeze 5:16 10:none and --unfreeze gradual train the head, and from some epoch on more and more.

Expected on ants and bees (hymenoptera, 245 training images): accuracy 0.961 to 0.967, see docs/benchmarks.md.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import visionkit

visionkit.quiet_tensorflow()

import keras

from visionkit import models
from visionkit.data.augmentation import presets
from visionkit.data.demo.photographs import make_demo
from visionkit.data.sources import read_classified
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.models.catalog import find
from visionkit.tasks.classification import evaluate, export, plan, report, train, transfer
from visionkit.tasks.classification.feature_cache import FeatureCache
from visionkit.training import runtime
from visionkit.training.config import TrainConfig
from visionkit.training.fine_tuning import check_base, tuned
from visionkit.training.fit import Phase, load_weights
from visionkit.training.freezing import BASE, Freeze, Part, freeze_base, part_of
from visionkit.training.recipe import Run, command_line, run_recipe
from visionkit.training.start_model import Head
from visionkit.viz.rate_curve import with_found_rates
from visionkit.viz.report import class_list

AUTO = "auto"
HEADS = {"predictions": Head()}
SMOKE = {"epochs": 2, "size": 128, "batch_size": 8, "views": 1, "unfreeze": (transfer.LAST,)}


@dataclass(frozen=True)
class Config(TrainConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images: one folder a class; train/ and val/; lists; a table, also with several labels an image; or tfds:NAME.
    Default: built-in photographs."""
    base: str = "efficientnet_lite0"
    """Pretrained network: efficientnet_lite0 (installed), efficientnet_b0 ... b7 or mobilenet_v2 (downloaded once), ..."""
    unfreeze: tuple[str, ...] = (AUTO,)
    """How much is trained: auto decides by the number of training images; head, last, all; or a schedule: gradual unfreezes
    stage by stage, 5:16 10:none freezes up to stride 16 from epoch 5 on and nothing from 10 on."""
    epochs: int | None = None
    """Epochs of each approach. Default: 20 of the head, 8 of each other, 28 of a schedule."""
    batch_size: int = 32
    """Images a step."""
    learning_rate: float | Literal["auto"] | None = None
    """The peak learning rate where the base is trained; auto tries about 100 steps with rising rates first. Default: 0.0001;
    from random weights 0.001, as the head has."""
    mix: Literal["none", "mixup", "cutmix"] = "none"
    """Whether training images are blended with each other where the base is trained."""
    augment_on: Literal["auto", "cpu", "device"] = "auto"
    """The device that mirrors, colors and mixes images where the base is trained; auto measures if there is an accelerator."""
    data_service: str | None = None
    """grpc://HOST:PORT of a tf.data service whose workers read and cut training images."""
    views: int = 8
    """Augmented views of each image that the feature cache holds, besides the image itself."""
    flip: bool = True
    """Whether a mirror image shows the same class; then it is trained on, and predictions are averaged over both."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size, predictions that differ in the third digit."""

    FROZEN: ClassVar[Freeze] = BASE
    LEAST: ClassVar[dict[str, float]] = TrainConfig.LEAST | {"views": 0}
    SHAPING: ClassVar[tuple[str, ...]] = ("base",)

    @property
    def approach(self) -> str | None:
        """auto, head, last or all; None where --freeze or a schedule says how much is trained."""
        named = len(self.unfreeze) == 1 and self.unfreeze[0] in (AUTO, *transfer.APPROACHES)
        return self.unfreeze[0] if named and self.freeze is None else None

    @property
    def schedule(self) -> tuple[str, ...]:
        """See ``FineTuningOptions.schedule``."""
        return () if self.unfreeze and self.unfreeze[0] in (AUTO, *transfer.APPROACHES) else self.unfreeze

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        words = " ".join(self.unfreeze)
        if not self.schedule and len(self.unfreeze) != 1:
            raise UserError(f"--unfreeze {words}: expected auto, head, last, all or gradual, or steps such as 5:16 10:none.")
        if self.freeze is not None and words in transfer.APPROACHES:
            raise UserError(f"--freeze {self.freeze} --unfreeze {words}: both say what is trained; leave one of them out.")
        super().check_options()
        check_base(self, self.why_random())

    def checked(self) -> "Config":
        """See ``RunConfig.checked``."""
        config = replace(super().checked(), base=find(self.base))
        if config.data is not None:
            read_classified(config.data, seed=config.seed, multi_label=True, allow_outside=config.allow_outside)
        return config


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, train_and_export, name="transfer_learning", smoke=SMOKE)


def train_and_export(run: Run, config: Config) -> None:
    """All the work: data, model, training, export, report."""
    device = runtime.prepare(config.seed)
    data = plan.open_data(run, config, built_in=make_demo, multi_label=True)
    choices = run.plan(plan.Plan, lambda: plan.choose_plan(run, data.train, config, approach=config.approach))
    weights = f"the weights of {config.from_model}" if config.from_model else f"weights '{config.weights}'"
    run.note(f"Base {config.base} with {weights}, on a {device}.")
    backbone = models.build(config.base, (choices.size, choices.size, 3), None, weights=config.pretrained_weights)
    class_names, pretrained = data.train.class_names, config.pretrained
    model = transfer.transfer_model(backbone, len(class_names), pretrained=pretrained)
    run.start_from(config, model.classifier, class_names, HEADS)

    if config.approach is None:
        parts = transfer.parts_of_freezing(config.freeze or BASE, config.schedule, backbone, config.epochs)
    else:
        gradually = config.approach == AUTO
        names = transfer.approaches(choices.approach, gradually=gradually) if pretrained else (choices.approach,)
        parts = transfer.parts_of_approaches(names, backbone, config.epochs)
    phases = {part.name: partial(set_up, run, config, data, backbone, model, part) for part in parts}
    history = run.train(phases, model.classifier)
    best, accuracies = plan.choose_best(run, run.with_weights(history), stops_early=config.patience is not None)
    load_weights(model.classifier, run.weights_file(best))

    run.say("Exporting ...")
    metadata = {"base": config.base, **run.described(config, size=choices.size)}
    multi_label = train.is_multi_label(data.train)
    options = {"flips": config.flip, "half_precision": config.half_precision, "multi_label": multi_label}
    bundle = export.export_classifier(model.classifier, run.model, class_names=class_names, metadata=metadata, **options)
    evaluation = evaluate.evaluate(bundle, data.val)
    if multi_label:
        evaluate.keep_thresholds(run, bundle, evaluation, class_names)
    evaluate.note_litert_difference(run, bundle, evaluation)
    title = f"Transfer learning: {class_list(class_names)}"
    page = report.report(evaluation, data.train, history, title=title, skipped=data.skipped)
    run.finish(bundle, evaluation.metrics | accuracies, with_found_rates(page, run.found_rates))


def set_up(run: Run, config: Config, data: Splits, backbone: keras.Model, model: transfer.TransferModel, part: Part) -> Phase:
    """One approach, or a part of a schedule, ready to train."""
    num_parameters = freeze_base(backbone, part.freeze)
    base = f"{num_parameters:,} parameters of the base are trained, and the head" if num_parameters else "the head is trained"
    run.note(f"'{part.name}': {base}.")
    schedule = plan.choose_transfer_schedule(config, part, multi_label=train.is_multi_label(data.train))
    augmentation = presets.preset(config.augment, flip=config.flip)
    if part.name == transfer.HEAD:
        cache = FeatureCache(model.extractor, note=run.note)
        features = cache.training_features(data.train, augmentation, seed=config.seed, views=config.views)
        val_features = cache.validation_features(data.val, mirrored=config.flip)
        return tuned(train.head_phase(model, features, val_features, schedule, seed=config.seed), config, None)
    augmentation = replace(augmentation, mix=None if config.mix == "none" else config.mix)
    options = {"augment_on": config.augment_on, "service": config.data_service}
    pipeline = plan.training_pipeline(run, config, data.train, model.classifier, augmentation, **options)
    phase = train.image_phase(model.classifier, pipeline, data.val, schedule, name=part.name, flips=config.flip)
    return tuned(part_of(phase, part), config, backbone)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
