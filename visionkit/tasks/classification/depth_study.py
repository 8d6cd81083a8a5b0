"""Does a network get better with depth? Errors of plain and of residual networks, as figure 6 of He et al. 2015 draws them."""

from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from visionkit.viz.plots import to_png
from visionkit.viz.report import Section

COLORS = {"plain": "#c2410c", "residual": "#1769d2"}
SHADES = (0.35, 1.0)  # opacity of the shallowest and of the deepest network


class Trained(NamedTuple):
    """One network of the study.

    Attributes:
        kind: "plain" or "residual".
        depth: layers with weights.
        training: error after each epoch, as it was met in training, 0 to 1.
        validation: error after each epoch.
    """

    kind: str
    depth: int
    training: list[float]
    validation: list[float]


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
        sentence="Dashed: training error, as it was met in the epoch. Solid: validation error. Without shortcuts a deep "
        "network is worse even on what it was trained on: that is no overfitting (He et al. 2015, figure 6). With them depth "
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
