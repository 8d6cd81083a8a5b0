"""Neural style transfer: the content of one image in the style of others; and networks that paint in one pass.

    python recipes/style_transfer.py                                    # a built-in photograph and a built-in painting
    python recipes/style_transfer.py photo.jpg painting.jpg             # painted from coarse to fine: a minute on 2 cores
    python recipes/style_transfer.py photo.jpg one.jpg two.jpg --shares 2 1
    python recipes/style_transfer.py photo.jpg mosaic woodcut --data photographs/   # also trains a network for these styles
    python recipes/style_transfer.py --smoke                            # does everything work? Under a minute

Styles are image files, or the built-in paintings: strokes, glass, woodcut, mosaic. The image is found by gradient descent
on its pixels (Gatys et al. 2015): it is close to the content image in the features of one layer of VGG-16, and close to the
styles in the Gram matrices of five. RUN/stylized.png is the result. RUN/model paints other images in the same style: by the
same descent, which takes a while; or, with --data, in one pass of a network that was trained for it (Johnson et al. 2016),
also for videos.

Expected with seed 0 on 2 cores: docs/benchmarks.md.
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import tyro

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.errors import UserError
from visionkit.models import catalog
from visionkit.models.style_features import in_half_precision, style_layers
from visionkit.models.style_network import style_network
from visionkit.tasks.style_transfer import compared, descent, evaluate, export, export_descent, plan, report, train
from visionkit.tasks.style_transfer.objective import LossWeights
from visionkit.tasks.style_transfer.painting import Painting, forget_state, gif
from visionkit.training import runtime
from visionkit.training.config import RunConfig
from visionkit.training.options import checked_weights, whole_path
from visionkit.training.recipe import Run, command_line, run_recipe

SMOKE = {"size": 64, "steps": 4, "window": 64, "epochs": 1}
STEPS, SMOKE_STEPS = 250, 3  # an epoch of the network's training
DESCENT_STEPS, SMOKE_DESCENT_STEPS = (80, 60, 40), (3, 3, 3)  # of the exported descent, the coarsest scale first
BATCH, NETWORK_RATE = 2, 2e-3  # large windows rather than many: at borders, and with few positions, the style looks different


@dataclass(frozen=True)
class Config(RunConfig):
    """The options of this recipe."""

    images: tyro.conf.Positional[tuple[str, ...]] = ()
    """The content image, then one style or several: files, or built-in: temple, cat, ...; strokes, glass, woodcut, mosaic."""
    data: str | None = None
    """A folder of photographs on which to train a network that paints any image in these styles in one pass."""
    size: int | None = None
    """Longer side of the result in pixels. Default: the content image's, at most 512."""
    shares: tuple[float, ...] = ()
    """How much of each style. Default: equal shares."""
    masks: tuple[str, ...] = ()
    """An image for each style, white where it is applied; where all are black the content image stays as it is."""
    colors: plan.Colors = "style"
    """Colors of the result: the style's; or the content's, by painting luminance only or in recolored styles (histogram)."""
    content_weight: float = 1.0
    """Alpha: weight of the content loss."""
    style_weight: float = 150.0
    """Beta: weight of the style loss."""
    smoothness: float = 1.0
    """Weight of the total variation: how much differences of neighboring pixels cost."""
    style_size: float = 1.0
    """Longer side of the style images relative to the content image. Larger styles have broader strokes."""
    start: Literal["content", "noise"] = "content"
    """Initial image of the descent."""
    optimizer: Literal["adam", "lbfgs"] = "lbfgs"
    """Optimizer of the descent; beyond 832 pixels it is always adam, which takes less memory."""
    steps: int | None = None
    """Steps at the finest scale; coarser scales take proportionally many. Default: chosen by the size."""
    learning_rate: float = 10.0
    """Learning rate of Adam, in levels of 0 to 255 a step."""
    base: str = "vgg16"
    """Network whose features are compared: vgg16 (installed with visionkit), vgg19, efficientnet_lite0, squeezenet, ..."""
    weights: str | None = None
    """Its weights: imagenet, or a file. Default: those installed with visionkit, if there are any."""
    pooling: Literal["max", "average"] = "max"
    """Pooling of a VGG: average gives smoother images."""
    content_layer: str | None = None
    """Where the content is compared: a layer (block4_conv2), or a stride (stride_8). Default: chosen by the network."""
    style_layers: tuple[str, ...] = ()
    """Where the style is compared, with weights: block1_conv1=0.5 block3_conv1=0.5. Default: chosen by the network."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation: auto takes bfloat16 if the processor is made for it."""
    gif: bool = False
    """Also write RUN/way.gif: the descent as an animation."""
    epochs: int = 12
    """Epochs of the network's training (--data), 250 steps each."""
    window: int = 320
    """Side in pixels of the windows of photographs that the network is trained on."""
    temporal: float = 0.0
    """Weight of flicker between frames of a video in the network's training."""
    lightness: float = 0.3
    """Weight in the network's training of painting light things dark, and dark ones light."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size."""

    LEAST: ClassVar[dict[str, float]] = {
        "size": plan.SMALLEST, "steps": 1, "epochs": 1, "window": 64, "content_weight": 0, "style_weight": 0, "smoothness": 0,
        "style_size": 0.05, "learning_rate": 0.001, "temporal": 0, "lightness": 0,
    }  # fmt: skip

    def checked(self) -> "Config":
        """See ``RunConfig.checked``."""
        if self.from_model is not None and self.data is None:
            raise UserError(f"--from {self.from_model}: without --data no network is trained; name a folder of photographs.")
        weights = None if self.weights is None else checked_weights(self.base, self.weights)
        images, masks = (
            tuple(name if plan.is_built_in(name) else whole_path(name, option) for name in names)
            for option, names in (("--images", self.images), ("--masks", self.masks))
        )
        config = dataclasses.replace(
            super().checked(), images=images, masks=masks, base=catalog.find(self.base), weights=weights
        )
        inputs = config.read_inputs()
        if config.data is not None:
            plan.check_trainable(config.masks, config.colors, config.window)
            plan.read_folder(config.data, config.seed)
        return dataclasses.replace(config, size=config.size or plan.choose_size(inputs.content))

    def why_not_longer(self) -> str | None:
        """See ``RunConfig.why_not_longer``."""
        return "without --data no network is trained, and --steps is the length of the descent" if self.data is None else None

    def read_inputs(self) -> plan.Inputs:
        """Read the images, the shares and the masks."""
        return plan.read_inputs(self.images, self.shares, self.masks)


def main(config: Config) -> Run:
    """Run the recipe."""
    return run_recipe(config, paint_and_export, name="style_transfer", smoke=SMOKE)


def paint_and_export(run: Run, config: Config) -> None:
    """Paint the image, train a network if there are photographs, export, measure, report."""
    inputs = config.read_inputs()
    device = runtime.prepare(config.seed)
    photographs = plan.open_data(run, config)
    half = plan.computes_in_half(config.precision)
    layers = plan.choose_layers(style_layers(config.base), config.content_layer, config.style_layers)
    options = {"weights": config.weights, "pooling": config.pooling, "half_precision": half}
    exact, extractor = plan.build_extractors(config.base, layers, **options)
    run.note(f"The features of {config.base} are compared, in {'bfloat16' if half else 'float32'}, on a {device}.")
    largest = round(max(1.0, config.style_size) * config.size)
    exact.tiles(largest, largest)  # raises now, not after the coarser scales
    height, width = inputs.content.shape[:2]
    run.note(f"Content of {width} x {height} pixels, painted with a longer side of {config.size}.")

    weights = LossWeights(config.content_weight, config.style_weight, config.smoothness)
    settings = descent.DescentSettings(
        descent.choose_scales(config.size, config.steps),
        config.optimizer,
        config.learning_rate,
        config.start,
        config.style_size,
        config.seed,
    )
    painting = Painting(run, inputs, config.colors, settings)
    painting.paint(extractor, weights)
    if config.gif:
        run.write("way.gif", gif(painting.frames))
    scale = painting.last_scale(exact, weights)

    names = config.images[1:] or (plan.DEFAULT_STYLE,)
    how = {"weights": config.weights, "pooling": config.pooling, "style_size": config.style_size, "styles": names}
    metadata = {"base": config.base, **run.described(config), **compared.described(layers, **how)}
    named = {"styles": tuple(inputs.styles), "metadata": metadata}
    history, bundle = [], None
    if photographs is None:
        run.say("Exporting ...")
        options = {"learning_rate": config.learning_rate, "half_precision": config.half_precision}
        options |= {"luminance_only": config.colors == "luminance"}
        steps = SMOKE_DESCENT_STEPS if config.smoke else DESCENT_STEPS
        painter = export_descent.Painter(exact.network, layers, scale.styles, weights, steps=steps, **options)
        export_descent.export_painting(painter, run.model, **named)
    else:
        schedule = train.Schedule(
            epochs=config.epochs,
            batch_size=BATCH,
            learning_rate=NETWORK_RATE,
            steps_per_epoch=SMOKE_STEPS if config.smoke else STEPS,
            size=config.window,
            temporal=config.temporal,
            lightness=config.lightness,
        )
        styles = inputs.style_images(config.colors)
        targets = train.StyleTargets.at_window_size(styles, extractor, config.window, config.style_size)
        exact_targets = train.StyleTargets.at_window_size(styles, exact, config.window, config.style_size) if half else targets
        network, trained = (style_network(num_styles=len(styles)) for _ in range(2))
        run.start_from(config, network, tuple(inputs.styles), train.heads(network))
        if half:
            in_half_precision(network, but=("shade",))
        setup = (network, photographs, schedule, extractor, targets, weights)
        options = {"seed": config.seed, "cache": open_cache(photographs.train)}
        history = run.train({"network": lambda: train.phase(*setup, **options)}, network)
        trained.set_weights(network.get_weights())
        export.export_stylizer(trained, run.model, half_precision=config.half_precision, **named)
        measure = train.validator(trained, exact, exact_targets, photographs.val, config.window)
        bundle = evaluate.evaluate_bundle(run.model, measure, photographs.val, painting, scale, inputs.shares)

    evaluation = evaluate.evaluate(painting, scale, bundle)
    for sentence in evaluation.notes:
        run.note(sentence)
    run.write_history([*painting.history, *history])
    shown = {"steps": painting.history, "frames": painting.frames, "history": history}
    skipped = [] if photographs is None else photographs.skipped
    network_metrics = None if bundle is None else bundle.metrics  # the image of this run says nothing about the network
    page = report.report(evaluation, inputs, skipped=skipped, **shown)
    run.finish(run.model, evaluation.metrics, page, bundle_metrics=network_metrics)
    forget_state(run)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
