"""``visionkit models``. Heavy modules are imported when the command runs."""

import tyro

from visionkit.cli.arguments import AsJson
from visionkit.cli.output import to_json
from visionkit.errors import UserError


def models(
    name: tyro.conf.Positional[str | None] = None,
    as_json: AsJson = False,
    input_shape: tuple[int, ...] = (),
    classes: int | None = None,
) -> int:
    """List the networks with their costs, or the layers of one network.

    Args:
        name: A network, whose layers are listed. Default: list all networks.
        as_json: Print one JSON object a line, and nothing else.
        input_shape: Input of the named network: sides, then channels, as 224 224 3; a signal has one side, a volume three.
            Default: the published shape.
        classes: Number of outputs of the named network. Default: as published.

    Returns:
        the exit status.
    """
    if name is None and (input_shape or classes is not None):
        raise UserError("--input-shape and --classes go with the name of one network: visionkit models resnet50 --classes 2.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.models.catalog import CATALOG
    from visionkit.models.cost import build_to_count, layer_costs, separable_blocks, summary
    from visionkit.progress import bar
    from visionkit.viz.cost_table import cost_lines, list_header, list_line

    if name is not None:
        model = build_to_count(name, input_shape or None, classes)
        costs = layer_costs(model)
        if as_json:
            print(to_json(summary(model, costs) | {"layers": [cost.to_plain() for cost in costs]}))
        else:
            print(*cost_lines(model.name, costs, separable_blocks(model)), sep="\n")
        return 0
    with bar(CATALOG, "networks", unit=" networks") as networks:
        if not as_json:
            networks.write(list_header(list(CATALOG)))
        for network in networks:
            model = build_to_count(network)
            costs = summary(model, layer_costs(model))
            networks.write(to_json(costs) if as_json else list_line(list(CATALOG), costs))
    return 0
