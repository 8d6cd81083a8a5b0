"""Costs of networks as text for a terminal."""

from collections.abc import Iterator, Sequence

from visionkit.models.cost import BYTES, LayerCost, SeparableBlock

LONGEST_NAME = 36  # characters of a layer's name
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def list_header(names: Sequence[str]) -> str:
    """Column heads of ``list_line``."""
    return _list_row(names, "network", "input", "parameters", "multiply-adds", "weights")


def list_line(names: Sequence[str], network: dict) -> str:
    """Describe one network of the catalogue in one line.

    Args:
        names: all networks in the list; the longest name sets the width of the first column.
        network: its ``name``, ``input_shape``, ``parameters``, ``multiply_adds`` and ``weights``.
    """
    shape, counts = shown_shape(network["input_shape"]), (network["parameters"], network["multiply_adds"])
    return _list_row(names, network["name"], shape, *map(shown_count, counts), ", ".join(network["weights"]))


def cost_lines(name: str, costs: Sequence[LayerCost], blocks: Sequence[SeparableBlock]) -> list[str]:
    """Describe one network: a table of its layers with sums, its memory, and the savings of its separable blocks.

    Args:
        name: name of the network.
        costs: costs of all layers, from ``layer_costs``.
        blocks: depthwise-separable blocks; may be empty.
    """
    shown = [cost for cost in costs if cost.parameters or cost.changes_shape]
    rows = [("layer", "kind", "activation shape", "size", "parameters", "multiply-adds")]
    rows += [(_shortened(c.name), c.kind, shown_shape(c.shape), *_counts(c.size, c.parameters, c.multiply_adds)) for c in shown]
    size, parameters, multiply_adds = map(sum, zip(*((c.size, c.parameters, c.multiply_adds) for c in costs), strict=True))
    sums = ("all layers", "", "", *_counts(size, parameters, multiply_adds))
    head, *body, foot = _aligned([*rows, sums], left=3)
    rule = "-" * len(foot)
    lines = [f"{name}: {shown_count(parameters)} parameters, {shown_count(multiply_adds)} multiply-adds an image", ""]
    lines += [head, rule, *body, rule, foot, ""]
    left_out = len(costs) - len(shown)
    if left_out:
        layers = "1 layer" if left_out == 1 else f"{left_out} layers"
        lines += [
            f"Not shown, but in the sums: {layers} without weights that keep the shape (activations, additions ...).",
            "",
        ]
    return [*lines, *_memory_lines(costs, size, parameters), *_block_lines(blocks)]


def shown_shape(shape: Sequence[int]) -> str:
    """Format a shape: "224 x 224 x 3"."""
    return " x ".join(map(str, shape)) or "1"


def shown_count(count: int) -> str:
    """Format a count with three digits and a unit: "25.6 M"."""
    unit, letter = next(((unit, letter) for unit, letter in UNITS if count >= unit), (1, ""))
    digits = 2 if count < 9.995 * unit else 1 if count < 99.95 * unit else 0
    return f"{count / unit:.{digits}f} {letter}" if letter else str(count)


def _list_row(names: Sequence[str], name: str, shape: str, parameters: str, multiply_adds: str, weights: str) -> str:
    row = f"{name:{max(map(len, names))}}  {shape:15}  {parameters:>10}  {multiply_adds:>13}  {weights}"
    return row.rstrip()


def _memory_lines(costs: Sequence[LayerCost], size: int, parameters: int) -> Iterator[str]:
    most = max(costs, key=lambda cost: cost.held)
    yield "Memory in float32, with activations of one image (1 MB is a million bytes):"
    yield f"  weights                {_megabytes(parameters)}"
    yield f"  activations, inference {_megabytes(most.held)}  the most that one layer reads and writes: {_shortened(most.name)}"
    yield f"  activations, training  {_megabytes(size)}  the image and the outputs of all layers, kept for the gradients"


def _block_lines(blocks: Sequence[SeparableBlock]) -> Iterator[str]:
    if not blocks:
        return
    yield ""
    yield "Depthwise-separable blocks: multiply-adds of a full convolution of the same shape, and of the two that replace it."
    rows = [("block", "full", "separable", "full / separable")]
    total = SeparableBlock("all blocks", sum(block.full for block in blocks), sum(block.separable for block in blocks))
    for name, full, separable in (*blocks, total):
        rows.append((_shortened(name, 2 * LONGEST_NAME), *_counts(full, separable), f"{full / separable:.1f}"))
    head, *body, foot = _aligned(rows, left=1)
    rule = "-" * len(foot)
    yield from (head, rule, *body, rule, foot)


def _counts(*counts: int) -> list[str]:
    return [f"{count:,}" for count in counts]


def _megabytes(values: int) -> str:
    return f"{BYTES * values / 1e6:10,.2f} MB"


def _shortened(name: str, length: int = LONGEST_NAME) -> str:
    return name if len(name) <= length else f"{name[: length // 2 - 1]}...{name[-(length // 2 - 2) :]}"


def _aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Align columns: the first ``left`` of them flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
