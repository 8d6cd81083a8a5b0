"""What the networks of the catalogue cost, at the shapes they were published with or at others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from visionkit.errors import UserError
from visionkit.models.catalog import CATALOG, find
from visionkit.models.cost import LayerCost


def build_to_count(name: str, input_shape: tuple[int, ...] | None = None, num_classes: int | None = None) -> keras.Model:
    """A network of the catalogue without values in its weights; see ``without_weights``.

    Args:
        name: a name of the catalogue.
        input_shape: sides and channels; None takes what it was published with.
        num_classes: outputs of the classifier; None takes what it was published with.

    Raises:
        UserError: no such network, or it cannot be built so.
    """
    name = find(name)
    if num_classes is not None and num_classes < 1:
        raise UserError(f"{name} for {num_classes} classes: expected 1 or more.")
    given = {} if num_classes is None else {"num_classes": num_classes}
    try:
        if input_shape is not None and any(side < 1 for side in input_shape):
            raise ValueError("expected sides, then channels, each 1 or more.")
        return without_weights(lambda: CATALOG[name].builder(input_shape, **given))
    except ValueError as error:
        if input_shape is None:
            raise
        published = without_weights(CATALOG[name].builder).input_shape[1:]
        shape, expected = (" x ".join(map(str, sides)) for sides in (input_shape, published))
        too_small = "would be zero or negative" in str(error)
        reason = "a layer would have nothing left to return; give more pixels." if too_small else str(error).splitlines()[0]
        raise UserError(
            f"{name} cannot take an input of {shape}: {reason} It was published with {expected}, channels last."
        ) from error


def summary(model: keras.Model, costs: Sequence[LayerCost]) -> dict[str, Any]:
    """One network as ``visionkit models --json`` prints it.

    Args:
        model: of the catalogue.
        costs: of its layers.
    """
    return {
        "name": model.name,
        "parameters": sum(cost.parameters for cost in costs),
        "multiply_adds": sum(cost.multiply_adds for cost in costs),
        "input_shape": list(model.input_shape[1:]),
        "weights": list(CATALOG[model.name].weights),
    }


def without_weights(build: Callable[[], keras.Model]) -> keras.Model:
    """A network whose weights have shapes and no values: built in little time and almost no memory, to be counted.

    Args:
        build: returns the network, with no weights loaded.

    Returns:
        a network that must not be called.
    """

    def in_scope() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    # Keras lists in each thread the weights that lack values, to fill them in later: this list ends with its thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_scope).result()
