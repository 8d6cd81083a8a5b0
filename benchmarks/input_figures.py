"""The figure of the input pipeline's benchmark, in the style of a run's report."""

from pathlib import Path

from matplotlib.figure import Figure

from visionkit.viz.plots import INK, TRAINING, VALIDATION, to_png

OURS, PEER = VALIDATION, TRAINING  # colors


def draw_threads(
    path: Path, counts: tuple[int, ...], rates: dict[str, list[float]], megabytes: dict[str, list[float]], num_cores: int
) -> None:
    """Speed and memory against the number of threads, or of worker processes.

    Args:
        path: of the PNG.
        counts: of threads or workers.
        rates: images a second at each count, by contender; visionkit is the first, and its peer, if any, the second.
        megabytes: peak memory of the process and its children, in the same way.
        num_cores: of the machine, marked.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    both = ((rates, "images a second"), (megabytes, "peak memory with all workers (MB)"))
    for axes, (measured, label) in zip(figure.subplots(1, 2), both, strict=True):
        for (name, values), color in zip(measured.items(), (OURS, PEER), strict=False):
            axes.plot(counts, values, color=color, marker="o", markersize=5, label=name)
            for place, (count, value) in enumerate(zip(counts, values, strict=True)):
                is_highest = value == max(others[place] for others in measured.values())
                offset = (0, 7 if is_highest else -14)  # so that the two numbers of a count never meet
                style = {"textcoords": "offset points", "ha": "center", "fontsize": 8, "color": INK}
                axes.annotate(f"{value:,.0f}", (count, value), offset, **style)
        axes.axvline(num_cores, color="#d5d9e0", linewidth=1, zorder=0)
        axes.text(
            num_cores, 1.01, f"{num_cores} cores", transform=axes.get_xaxis_transform(), fontsize=8, color=INK, ha="center"
        )
        axes.set_xlabel("threads, or worker processes")
        axes.set_ylabel(label)
        axes.set_xticks(counts)
        axes.set_ylim(0, 1.15 * max(map(max, measured.values())))
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_png(figure))
