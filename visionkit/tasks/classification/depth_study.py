"""Whether a network gets better with depth: errors of plain and of residual networks, as in figure 6 of He et al. 2015."""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import keras
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visionkit.data.index import SmallSplits
from visionkit.tasks.classification.plan import build_network, choose_variation
from visionkit.tasks.classification.train import Schedule, small_image_phase
from visionkit.training.fit import Phase, load_weights, train_in_order
from visionkit.training.rates.optimizers import momentum_sgd
from visionkit.training.recipe import Run
from visionkit.viz.plots import to_png
from visionkit.viz.report import Section

DEPTHS, SMOKE_DEPTHS = (8, 20, 32, 44), (8, 14)
BATCH_SIZE, LEARNING_RATE = 32, 0.1  # momentum and decay as in the paper
IMAGES_SHOWN = 80_000  # to each network, over all epochs
LIMITS = (10_000, 2_000)  # images of Fashion-MNIST, the first of each split
SIZE = 14  # pixels a side: a quarter of the work of 28
KINDS = {"plain": "plain", "resnet": "residual"}
COLORS = {"plain": "#c2410c", "residual": "#1769d2"}
SHADES = (0.35, 1.0)  # opacities of the shallowest and of the deepest network


class Trained(NamedTuple):
    """One network of the study.

    Attributes:
        kind: "plain" or "residual".
        depth: layers with weights.
        training: training error of each epoch, measured while it trained, 0 to 1.
        validation: error after each epoch.
    """

    kind: str
    depth: int
    training: list[float]
    validation: list[float]


@dataclass(frozen=True)
class Study:
    """The result of a study.

    Attributes:
        best: the residual network with the lowest validation error.
        networks: all networks by name.
    """

    best: keras.Model
    networks: dict[str, Trained]

    @property
    def metrics(self) -> dict[str, float]:
        """The accuracy and the training error of each network after its last epoch."""
        metrics = {f"accuracy_{name}": round(1 - network.validation[-1], 5) for name, network in self.networks.items()}
        return metrics | {f"training_error_{name}": round(net.training[-1], 5) for name, net in self.networks.items()}

    @property
    def section(self) -> Section:
        """The figure and the table for the report."""
        return depth_section(list(self.networks.values()))


def train_networks(run: Run, data: SmallSplits, size: int, schedule: Schedule, *, smoke: bool, flips: bool, seed: int) -> Study:
    """Train plain and residual networks of rising depth alike.

    Args:
        run: takes notes and checkpoints.
        data: the images.
        size: side of the networks' input in pixels.
        schedule: of each network.
        smoke: whether to train two shallow pairs only.
        flips: whether training images are mirrored.
        seed: of each network; all start from it and are shown the same images.
    """
    depths = SMOKE_DEPTHS if smoke else DEPTHS
    run.note(
        f"Networks of {', '.join(map(str, depths))} layers, plain and residual, with as many parameters, "
        f"each trained for {schedule.epochs} epochs in batches of {schedule.batch_size}, on {size} x {size} pixels, "
        f"shifted{' and mirrored' if flips else ''}."
    )
    run.note(
        f"As in the paper: gradient descent with momentum 0.9, weight decay 0.0001, no warm-up; a learning rate of "
        f"{schedule.learning_rate:g}, divided by 10 at half and at three quarters of the steps."
    )

    def build(name: str) -> keras.Model:
        options = {} if name.startswith("plain") else {"shortcut": "zeros"}
        return build_network(name, size, data.train, **options)

    def phase(name: str) -> Phase:
        keras.utils.set_random_seed(seed)
        model = build(name)
        options = {"variation": choose_variation(model, len(data.train), flips=flips), "flips": False, "seed": seed}
        phase = small_image_phase(model, data.train, data.val, schedule, name=name, **options)
        return replace(phase, optimizer=momentum_sgd)

    names = {f"{prefix}{depth}": (kind, depth) for depth in depths for prefix, kind in KINDS.items()}
    history = train_in_order(run, {name: partial(phase, name) for name in names})
    networks = {}
    for name in names:
        rows = [row for row in history if row["phase"] == name]
        networks[name] = Trained(*names[name], *([1 - row[key] for row in rows] for key in ("accuracy", "val_accuracy")))
    residual = [name for name, network in networks.items() if network.kind == "residual"]
    best = min(residual, key=lambda name: networks[name].validation[-1])
    run.note(f"'{best}' is exported: the best residual network, chosen by these same validation images.")
    model = build(best)
    load_weights(model, run.weights_file(best))
    return Study(model, networks)


def depth_section(networks: list[Trained]) -> Section:
    """The figure and the table of a study.

    Args:
        networks: at least one.
    """
    by_kind = {kind: sorted((n for n in networks if n.kind == kind), key=lambda n: n.depth) for kind in COLORS}
    rows = [
        (f"{network.kind}, {network.depth} layers", f"{network.training[-1]:.2%}", f"{network.validation[-1]:.2%}")
        for members in by_kind.values()
        for network in members
    ]
    return Section(
        heading="Error and depth",
        sentence="Dashed: training error, measured during the epoch. Solid: validation error. Without shortcuts a deep "
        "network is worse even on what it was trained on: this is not overfitting (He et al. 2015, figure 6). With them depth "
        "costs nothing, or little where training is short.",
        figure=depth_figure(by_kind),
        columns=("network", "training error", "validation error"),
        rows=rows,
    )


def depth_figure(by_kind: dict[str, list[Trained]]) -> bytes:
    """Last errors against depth, then the errors of each kind against the epoch.

    Args:
        by_kind: kind -> its networks, the shallowest first.

    Returns:
        a PNG.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    against_depth, *against_epoch = figure.subplots(1, 3, sharey=True)
    for (kind, members), axes in zip(by_kind.items(), against_epoch, strict=True):
        if not members:
            continue
        depths = [network.depth for network in members]
        for errors, style, split in (("training", "--", "training"), ("validation", "-", "validation")):
            last = [100 * getattr(network, errors)[-1] for network in members]
            against_depth.plot(depths, last, style, marker="o", markersize=4, color=COLORS[kind], label=f"{kind}, {split}")
        for number, network in enumerate(members):
            share = number / max(1, len(members) - 1)
            look = {"color": COLORS[kind], "alpha": SHADES[0] + share * (SHADES[1] - SHADES[0])}
            epochs = range(1, len(network.training) + 1)
            axes.plot(epochs, [100 * error for error in network.training], "--", linewidth=1, **look)
            axes.plot(epochs, [100 * error for error in network.validation], linewidth=1.2 + share, label=network.depth, **look)
        axes.set_title(f"{kind} networks", fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, title="layers")
    against_depth.set_title("after the last epoch", fontsize=10)
    against_depth.set_xlabel("layers")
    against_depth.set_ylabel("error in percent")
    against_depth.set_xticks(sorted({network.depth for members in by_kind.values() for network in members}))
    against_depth.legend(frameon=False)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_tick_params(labelleft=True)
    return to_png(figure)
