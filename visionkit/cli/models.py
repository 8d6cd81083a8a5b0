"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

from typing import Annotated

import tyro

from visionkit.cli.output import to_json
from visionkit.errors import UserError


def models(
    name: tyro.conf.Positional[str | None] = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    input_shape: tuple[int, ...] = (),
    classes: int | None = None,
) -> int:
    """List the networks and what they cost; or, of the one that is named, what each layer costs.

    Args:
        name: A network. Default: list all of them.
        as_json: Print one JSON object a line, and nothing else.
        input_shape: What the named network reads: sides, then channels, as 224 224 3; a signal has one side, a volume three.
            Default: as published.
        classes: Outputs of the named network. Default: as published.

    Returns:
        the exit status.
    """
    if name is None and (input_shape or classes is not None):
        raise UserError("--input-shape and --classes go with the name of one network: visionkit models resnet50 --classes 2.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from tqdm import tqdm

    from visionkit.models.catalog import CATALOG
    from visionkit.models.cost import build_to_count, layer_costs, separable_blocks, summary
    from visionkit.viz.cost_table import cost_lines, list_header, list_line

    if name is not None:
        model = build_to_count(name, input_shape or None, classes)
        costs = layer_costs(model)
        if as_json:
            print(to_json(summary(model, costs) | {"layers": [cost.to_plain() for cost in costs]}))
        else:
            print(*cost_lines(model.name, costs, separable_blocks(model)), sep="\n")
        return 0
    with tqdm(CATALOG, "networks", leave=False, disable=None) as networks:
        if not as_json:
            networks.write(list_header(list(CATALOG)))
        for each in networks:
            model = build_to_count(each)
            facts = summary(model, layer_costs(model))
            networks.write(to_json(facts) if as_json else list_line(list(CATALOG), facts))
    return 0
