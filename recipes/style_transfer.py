"""Neural style transfer: the content of one image in the style of others; and networks that paint in one pass.

    python recipes/style_transfer.py                                    # a built-in photograph and a built-in painting
    python recipes/style_transfer.py photo.jpg painting.jpg             # painted from coarse to fine: a minute on 2 cores
    python recipes/style_transfer.py photo.jpg one.jpg two.jpg --shares 2 1
    python recipes/style_transfer.py photo.jpg mosaic woodcut --data photographs/   # also trains a network for these styles
    python recipes/style_transfer.py --smoke                            # does everything work? Under a minute

Styles are image files, or the built-in paintings: strokes, glass, woodcut, mosaic. The image is found by gradient descent
on its pixels (Gatys et al. 2015): near the content image in one layer of VGG-16, near the styles in the Gram matrices of
five. RUN/stylized.png is the result. RUN/model paints other images in the same style: by the same descent, which takes a
while; or, with --data, by a network that was trained to do it in one pass (Johnson et al. 2016), also for videos.

Expected with seed 0 on 2 cores: README, "Measured".
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

import visionkit

visionkit.quiet_tensorflow()

import keras
import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import SkippedFiles
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.splits import Splits
from visionkit.export.bundle import update_metadata
from visionkit.files import write_atomically
from visionkit.models import catalog
from visionkit.models.style_features import in_half_precision, style_features, style_layers
from visionkit.models.style_network import style_network
from visionkit.tasks import load
from visionkit.tasks.style_transfer import plan as style_plan
from visionkit.tasks.style_transfer.descent import How, Wanted, prepared, resized, scales_to, wide_enough
from visionkit.tasks.style_transfer.export import export_stylizer
from visionkit.tasks.style_transfer.export_descent import Painter, export_painting
from visionkit.tasks.style_transfer.objective import Loss, LossWeights, Maps, Style
from visionkit.tasks.style_transfer.painting import STATE, Painting, gif
from visionkit.tasks.style_transfer.plan import Inputs
from visionkit.tasks.style_transfer.report import MIDDLE, MOST_PAINTED, Painted, StyleReport, write_style_report
from visionkit.tasks.style_transfer.train import Schedule, Targets, Validation, style_phase, validator, window_feeder
from visionkit.training import runtime
from visionkit.training.dataset import first_images
from visionkit.training.fit import load_weights, train_in_order
from visionkit.training.recipe import Story, check_at_least, command_line, run_recipe
from visionkit.training.run_folder import RunFolder

SMOKE = {"size": 64, "steps": 4, "window": 64, "epochs": 1}
SMOKE_STEPS, SMOKE_IMAGES = 3, {"training": 8, "validation": 2}
STEPS, NETWORK_RATE = 250, 2e-3  # of an epoch; the peak
DESCENT_STEPS = (80, 60, 40)  # of the exported descent, the coarsest scale first
CONTENT = "temple"  # the built-in photograph
BATCH = 2  # windows a step: large ones rather than many, for their borders and few positions say another style
SEEN = 1.2  # longer side of what windows are cut from, in windows: the styles are seen as large
VALIDATED = 16  # images


@dataclass(frozen=True)
class Config:
    """What a run does; each field is an option of the command line."""

    images: tyro.conf.Positional[tuple[str, ...]] = ()
    """The content image, then one style or several: files, or built-in: temple, cat, ...; strokes, glass, woodcut, mosaic."""
    data: str | None = None
    """A folder of photographs: a network is trained on them that paints any image in the styles in one pass."""
    out: Path | None = None
    """Folder of this run. Default: runs/style_transfer-<time>."""
    size: int | None = None
    """Longer side of the result in pixels. Default: the content image's, at most 512."""
    shares: tuple[float, ...] = ()
    """How much of each style. Default: equal parts."""
    masks: tuple[str, ...] = ()
    """An image for each style, white where it is wanted; where all are black the content image stays."""
    colors: style_plan.Colors = "style"
    """Whose colors: the style's; or the content's, by changing the luminance alone, or by recoloring the style (histogram)."""
    content_weight: float = 1.0
    """Alpha: how much the content counts."""
    style_weight: float = 150.0
    """Beta: how much the style counts."""
    smoothness: float = 1.0
    """How much steps between neighboring pixels cost."""
    style_size: float = 1.0
    """How large the style is seen: longer side in those of the content. Larger ones have broader strokes."""
    start: Literal["content", "noise"] = "content"
    """What the descent begins with."""
    optimizer: Literal["adam", "lbfgs"] = "lbfgs"
    """How it descends; beyond 832 pixels always by adam, which remembers less."""
    steps: int | None = None
    """At the finest scale; at coarser ones in proportion. Default: by the size."""
    learning_rate: float = 10.0
    """Of Adam, in levels of 0 to 255."""
    base: str = "vgg16"
    """The network that looks: vgg16 (installed with visionkit), vgg19, efficientnet_lite0, squeezenet, ..."""
    weights: str | None = None
    """Its weights: imagenet, or a file. Default: those installed with visionkit, where it has some."""
    pooling: Literal["max", "average"] = "max"
    """Of a VGG: average gives smoother images."""
    content_layer: str | None = None
    """Where the content is compared: a layer (block4_conv2), or a stride (stride_8). Default: by the network."""
    style_layers: tuple[str, ...] = ()
    """Where the style is compared, and how much each counts: block1_conv1=0.5 block3_conv1=0.5. Default: by the network."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What is computed in: auto takes bfloat16 where the processor is made for it."""
    gif: bool = False
    """Also write RUN/way.gif: how the image came about."""
    epochs: int = 12
    """Of the network's training (--data), 250 steps each."""
    window: int = 320
    """Side in pixels of what it is shown of a photograph."""
    temporal: float = 0.0
    """How much flicker between frames of a video costs in its training."""
    lightness: float = 0.3
    """How much it costs in its training that light things are painted dark, and dark ones light."""
    half_precision: bool = False
    """Export weights of 16 bits: half the size."""
    seed: int = 0
    """Makes noise, order and initial weights reproducible."""
    resume: Path | None = None
    """Go on with the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run that shows that everything works."""

    def __post_init__(self):
        check_at_least(self, size=style_plan.SMALLEST, steps=1, epochs=1, window=64, seed=0)
        check_at_least(
            self, content_weight=0, style_weight=0, smoothness=0, style_size=0.05, learning_rate=0.001, temporal=0, lightness=0
        )

    def checked(self) -> "Config":
        """The configuration with whole paths; what cannot be read is told now."""
        whole = dataclasses.replace(
            self,
            images=tuple(style_plan.whole_path(name) for name in self.images),
            masks=tuple(style_plan.whole_path(name) for name in self.masks),
            data=None if self.data is None else str(Path(self.data).resolve()),
            base=catalog.find(self.base),
            weights=self.weights if self.weights in (None, "imagenet", "hed") else str(Path(self.weights).resolve()),
        )
        inputs = read_inputs(whole)
        if whole.data is not None:
            style_plan.check_trainable(whole.masks, whole.colors, whole.window)
            style_plan.read_folder(whole.data, whole.seed)
        if whole.size is None:
            whole = dataclasses.replace(whole, size=style_plan.choose_size(inputs.content))
        return whole


def read_inputs(config: Config) -> Inputs:
    """The images that are named, or built-in ones."""
    return style_plan.read_inputs(config.images or (CONTENT,), config.shares, config.masks)


def main(config: Config) -> RunFolder:
    """Run the recipe."""
    return run_recipe(config, paint_and_export, name="style_transfer", smoke=SMOKE)


def paint_and_export(run: RunFolder, config: Config) -> None:
    """All the work: the image, the network where one is asked for, the bundle, the report."""
    story, skipped, inputs = Story(run), SkippedFiles(), read_inputs(config)
    device = runtime.prepare(config.seed)
    splits = make_plan(run, config, skipped, story)
    half = computes_in_half(config)
    exact = look(config)
    maps = look(config, half=True) if half else exact
    story.tell(f"{config.base} looks, in {'bfloat16' if half else 'float32'}, on a {device}.")
    largest = round(max(1.0, config.style_size) * config.size)
    exact.tiles(largest, largest)  # complains now, not after the coarser scales
    height, width = inputs.content.shape[:2]
    story.tell(f"Content of {width} x {height} pixels, painted with a longer side of {config.size}.")
    if config.smoke:
        story.tell("A smoke run: far too few steps to look like anything.")

    shares = LossWeights(config.content_weight, config.style_weight, config.smoothness)
    scales = scales_to(config.size, config.steps)
    how = How(scales, config.optimizer, config.learning_rate, config.start, config.style_size, config.seed)
    painting = Painting(run, inputs, config.colors, how)
    result = painting.paint(maps, shares)
    painting_seconds = run.seconds()
    if config.gif:
        write_atomically(run.path / "way.gif", gif(painting.frames))
    content, wanted = inputs.seen_content(config.colors), inputs.wanted(config.colors)
    final = prepared(content, wanted, exact, how.scales[-1], how.style_size, shares)
    metrics = named(final.objective.loss(wide_enough(painting.painted.astype(np.float32))))
    metrics["painting_seconds"] = round(painting_seconds, 1)
    written = StyleReport(
        title=f"Painted in the style of {', '.join(inputs.styles)}",
        sentences=story.sentences,
        metrics=metrics,
        painting=painting.history,
        content=inputs.content,
        styles=inputs.styles,
        masks=inputs.masks,
        result=result,
        frames=painting.frames,
        skipped=skipped.list(),
        config={name: value for name, value in dataclasses.asdict(config).items() if name != "resume"},
    )
    metadata = {"base": config.base, "made_by": f"visionkit {visionkit.__version__}, recipes/style_transfer.py"}
    if splits is None:
        export_descent(run, config, exact, final.styles, tuple(inputs.styles), shares, metadata)
    else:
        network, history, measured = train_network(run, config, splits, (maps, exact), wanted, shares, skipped)
        options = {"styles": tuple(inputs.styles), "facts": metadata, "half_precision": config.half_precision}
        export_stylizer(network, run.path / "model", **options)
        metrics |= {f"network_{name}": value for name, value in measured._asdict().items()}
        written = with_network(written, run, splits, history, inputs.shares)
        if len(wanted) == 1:
            once = named(final.objective.loss(wide_enough(written.fast.astype(np.float32))))
            story.tell(
                f"The same image in one pass: style loss {once['style_loss']:.3g}, content loss {once['content_loss']:.3g}; "
                f"painted step by step {metrics['style_loss']:.3g} and {metrics['content_loss']:.3g}."
            )
    metrics["seconds"] = round(run.seconds(), 1)
    metrics |= {name: float(f"{value:.6g}") for name, value in metrics.items()}
    of_network = {name.removeprefix("network_"): value for name, value in metrics.items() if name.startswith("network_")}
    update_metadata(run.path / "model", metrics=of_network or metrics)
    run.write_history([*painting.history, *written.history])
    write_style_report(dataclasses.replace(written, skipped=skipped.list()), run.path / "report.html")
    run.write_json("metrics.json", metrics)  # last: it marks the run as finished
    (run.path / STATE).unlink(missing_ok=True)


def computes_in_half(config: Config) -> bool:
    """Whether images and networks are painted in bfloat16."""
    return config.precision == "bfloat16" or (config.precision == "auto" and runtime.has_fast_bfloat16())


def look(config: Config, *, half: bool = False) -> Maps:
    """The network that looks at images, in half precision or exactly."""
    layers = style_plan.layers_of(style_layers(config.base), config.content_layer, config.style_layers)
    features = style_features(config.base, layers.names, weights=config.weights, pooling=config.pooling)
    return Maps(in_half_precision(features) if half else features, layers)


def named(loss: Loss) -> dict[str, float]:
    """As in metrics.json."""
    return {"style_loss": loss.style_loss, "content_loss": loss.content_loss, "loss": loss.total}


def make_plan(run: RunFolder, config: Config, skipped: SkippedFiles, story: Story) -> Splits | None:
    """The photographs to learn from, each opened once; None where no network is trained. A resumed run keeps to its list."""
    kept = run.read_json("plan.json")
    if kept is None:
        (run.path / STATE).unlink(missing_ok=True)  # of a run that failed before
    if config.data is None:
        run.write_json("plan.json", {})
        return None
    splits = Splits.from_plain(kept["data"]) if kept else style_plan.read_folder(config.data, config.seed)
    if config.smoke and not kept:
        splits = first_images(splits, SMOKE_IMAGES)
    run.write_json("plan.json", {"data": splits.to_plain()})
    splits = splits.map(lambda index, name: index if name == "training" else index.take(range(min(len(index), VALIDATED))))
    return style_plan.usable(splits, config.data, skipped, story)


def export_descent(
    run: RunFolder,
    config: Config,
    exact: Maps,
    styles: Sequence[Style],
    names: tuple[str, ...],
    shares: LossWeights,
    metadata: dict,
) -> None:
    """The bundle that paints other images by the same descent."""
    print("Exporting ...", flush=True)
    steps = (SMOKE_STEPS,) * 3 if config.smoke else DESCENT_STEPS
    options = {"steps": steps, "learning_rate": config.learning_rate, "half_precision": config.half_precision}
    options["luminance_only"] = config.colors == "luminance"
    painter = Painter(exact.features, exact.layers, styles, shares, **options)
    usual = np.array([each.share for each in styles])
    export_painting(painter, run.path / "model", styles=names, metadata=metadata, usual=(usual / usual.sum()).tolist())


def train_network(
    run: RunFolder,
    config: Config,
    splits: Splits,
    looking: tuple[Maps, Maps],
    wanted: list[Wanted],
    shares: LossWeights,
    skipped: SkippedFiles,
) -> tuple[keras.Model, list[dict], Validation]:
    """A network that paints in one pass, a row for each epoch, and what is measured of it in the end.

    Args:
        run: takes the weights: those of the last epochs averaged.
        config: options.
        splits: the photographs.
        looking: what looks while it learns, and what looks exactly.
        wanted: the styles.
        shares: of the parts of the loss.
        skipped: what could not be read.
    """
    side = round(SEEN * config.style_size * config.window)
    images = [wide_enough(resized(each.image, side)) for each in wanted]
    learnt, exact = (Targets.of([Style(maps.grams(image)) for image in images]) for maps in looking)
    steps = SMOKE_STEPS if config.smoke else STEPS
    schedule = Schedule(config.epochs, steps, BATCH, config.window, NETWORK_RATE, config.temporal, config.lightness)
    network = style_network(num_styles=len(wanted))
    if computes_in_half(config):
        in_half_precision(network, but=("shade",))
    cache = open_cache(splits.train, "auto", say=print)
    feeder = window_feeder(splits.train, schedule, len(wanted), seed=config.seed, skipped=skipped, cache=cache)
    measure = validator(network, looking[0], learnt, splits.val, config.window, skipped)
    phases = {"network": lambda: style_phase(network, schedule, looking[0], learnt, shares, feeder, measure)}
    history = train_in_order(run, phases, network)
    trained = style_network(num_styles=len(wanted))
    load_weights(trained, run.weights_file("network"))
    return trained, history, validator(trained, looking[1], exact, splits.val, config.window, skipped)()


def with_network(
    report: StyleReport, run: RunFolder, splits: Splits, history: list[dict], shares: tuple[float, ...]
) -> StyleReport:
    """The report, with what the exported network makes of the content image and of others.

    The content image is painted in the same blend of styles as by the descent; the others, which the network was not trained
    on, in each style.
    """
    model = load(run.path / "model")
    content = resized(report.content, max(report.result.shape[:2])).round().astype(np.uint8)
    painted = []
    for path in splits.val.paths[:MOST_PAINTED]:
        try:
            image = read_image(path)
        except ImageError:
            continue  # it was readable at the start; there is one image less to look at
        image = resized(image, min(MIDDLE, max(image.shape[:2]))).round().astype(np.uint8)
        painted.append(Painted(path, image, [model.predict(image, style=style).pixels for style in model.labels]))
    fast = model.predict(content, style=dict(zip(model.labels, shares, strict=True))).pixels
    return dataclasses.replace(report, history=history, fast=fast, painted=painted)


if __name__ == "__main__":
    command_line(main, Config, __doc__)
