"""The learning rates that a run found by trying, as a part of its report."""

import dataclasses
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from visionkit.viz import plots
from visionkit.viz.report import Report, Section


def with_found_rates(report: Report, found: dict[str, dict[str, Any]]) -> Report:
    """A report with a part for the learning rates that were found.

    Args:
        report: the report of a run.
        found: phase -> ``training.rates.finder.FoundRate`` as a dict; where it is empty, the report stays as it is.
    """
    if not found:
        return report
    return dataclasses.replace(report, sections=(*report.sections, rate_section(found)))


def rate_section(found: dict[str, dict[str, Any]]) -> Section:
    """The loss against the learning rate of each phase, with the choice marked; see ``with_found_rates``."""
    sentence = (
        "Before a phase was trained, steps with rising rates were tried, and undone. The chosen rate lies in the middle of the "
        "longest stretch in which the smoothed loss falls."
    )
    rows = [(name, f"{each['rate']:.2g}", each["reason"]) for name, each in found.items()]
    return Section("Learning rate", sentence, rate_figure(found), ("phase", "learning rate", "reason"), rows)


def rate_figure(found: dict[str, dict[str, Any]]) -> bytes:
    """A PNG with a panel for each phase; see ``with_found_rates``."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, (name, each) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        axes.plot(each["rates"], each["losses"], color=plots.VALIDATION, label="loss, smoothed")
        axes.axvline(each["rate"], color=plots.INK, linewidth=1, linestyle="--", label=f"chosen: {each['rate']:.2g}")
        axes.set_xscale("log")
        if each["losses"]:
            lowest, first = min(each["losses"]), max(each["losses"][: len(each["losses"]) // 2 + 1])
            axes.set_ylim(lowest - 0.1 * np.ptp([lowest, first]) - 1e-6, first + 0.5 * np.ptp([lowest, first]) + 1e-6)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.set_title(name, fontsize=9, color=plots.INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return plots.to_png(figure)
