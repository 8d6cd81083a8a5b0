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

Expected on ants and bees (hymenoptera, 245 training images): accuracy 0.961 to 0.967, see the README.
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
from visionkit.models.catalog import find
from visionkit.tasks.classification import evaluate, export, plan, report, train, transfer
from visionkit.tasks.classification.feature_cache import FeatureCache
from visionkit.training import runtime
from visionkit.training.fit import Phase, load_weights
from visionkit.training.recipe import Run, TrainConfig, command_line, run_recipe
from visionkit.training.start_model import Head
from visionkit.viz.report import class_list

HEADS = {"predictions": Head()}
SMOKE = {"epochs": 2, "size": 128, "batch_size": 8, "views": 1, "unfreeze": transfer.LAST}


@dataclass(frozen=True)
class Config(TrainConfig):
    """What a run does; each field is an option of the command line."""

    data: str | None = None
    """Images: one folder a class; train/ and val/; lists; a table, also with several labels an image; or tfds:NAME.
    Default: built-in photographs."""
    base: str = "efficientnet_lite0"
    """Pretrained network: efficientnet_lite0 (installed), efficientnet_b0 ... b7 or mobilenet_v2 (downloaded once), ..."""
    unfreeze: Literal["auto", "head", "last", "all"] = "auto"
    """How much is trained; auto decides by the number of training images."""
    epochs: int | None = None
    """Epochs of each approach. Default: 20 of the head, 8 of each other."""
    batch_size: int = 32
    """Images a step."""
    learning_rate: float | None = None
    """The peak learning rate where the base is trained. Default: 0.0001; from random weights 0.001, as the head has."""
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

    LEAST: ClassVar[dict[str, float]] = TrainConfig.LEAST | {"views": 0}
    SHAPING: ClassVar[tuple[str, ...]] = ("base",)

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
    choices = run.plan(plan.Plan, lambda: plan.choose_plan(run, data.train, config, approach=config.unfreeze))
    run.note(f"Base {config.base} with weights '{config.weights}', on a {device}.")
    backbone = models.build(config.base, (choices.size, choices.size, 3), None, weights=config.pretrained_weights)
    class_names, pretrained = data.train.class_names, config.pretrained
    model = transfer.transfer_model(backbone, len(class_names), pretrained=pretrained)
    run.start_from(config, model.classifier, class_names, HEADS)

    gradually = config.unfreeze == "auto"
    names = transfer.approaches(choices.approach, gradually=gradually) if pretrained else (choices.approach,)
    phases = {name: partial(set_up, run, config, data, backbone, model, name) for name in names}
    history = run.train(phases, model.classifier)
    best, accuracies = plan.choose_best(run, run.with_weights(history))
    load_weights(model.classifier, run.weights_file(best))

    print("Exporting ...", flush=True)
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
    run.finish(bundle, evaluation.metrics | accuracies, page)


def set_up(
    run: Run, config: Config, data: Splits, backbone: keras.Model, model: transfer.TransferModel, approach: str
) -> Phase:
    """One approach, ready to train."""
    num_parameters = transfer.unfreeze(backbone, approach)
    base = f"{num_parameters:,} parameters of the base are trained, and the head" if num_parameters else "the head is trained"
    run.note(f"'{approach}': {base}.")
    schedule = plan.choose_transfer_schedule(config, approach, multi_label=train.is_multi_label(data.train))
    augmentation = presets.preset(config.augment, flip=config.flip)
    if approach == transfer.HEAD:
        cache = FeatureCache(model.extractor, note=run.note)
        features = cache.training_features(data.train, augmentation, seed=config.seed, views=config.views)
        val_features = cache.validation_features(data.val, mirrored=config.flip)
        return train.head_phase(model, features, val_features, schedule, seed=config.seed)
    augmentation = replace(augmentation, mix=None if config.mix == "none" else config.mix)
    options = {"augment_on": config.augment_on, "service": config.data_service}
    pipeline = plan.training_pipeline(run, config, data.train, model.classifier, augmentation, **options)
    return train.image_phase(model.classifier, pipeline, data.val, schedule, name=approach, flips=config.flip)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
