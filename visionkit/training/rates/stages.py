"""Discriminative learning rates: the earlier a stage of a pretrained base, the smaller the steps that its weights take.

Universal Language Model Fine-tuning for Text Classification, Howard and Ruder 2018, https://arxiv.org/abs/1801.06146, section
3.2. The steps are scaled, not the gradients: AdamW divides gradients by their own size.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import keras

from visionkit.models.endpoints import stages


class ScaledRates:
    """A mixin for optimizers of Keras: each variable has its own share of the learning rate, also of its weight decay.

    Variables are told apart by their position among those that the optimizer was built for. Keras hands the variables of its
    backend to an optimizer's step, not those of the model.
    """

    _shares: Mapping[int, float] = {}
    _shares_by_position: tuple[float, ...] = ()

    def scale_rates(self, shares: Mapping[int, float]) -> None:
        """Set the shares, before the optimizer is built.

        Args:
            shares: the ``id`` of a variable of the model -> its share of the learning rate; others have all of it.
        """
        if self.built:
            raise ValueError("scale_rates() comes before build(): steps that are compiled would keep the old rates.")
        self._shares = dict(shares)

    def build(self, variables: Iterable[keras.Variable]) -> None:
        """Make the optimizer's own variables."""
        variables = list(variables)
        self._shares_by_position = tuple(self._shares.get(id(variable), 1.0) for variable in variables)
        super().build(variables)

    def share_of(self, variable: Any) -> float:
        """The share of the learning rate that a variable has, of the model or of the backend."""
        return self._shares_by_position[self._get_variable_index(variable)]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step with one variable; Keras calls it for each."""
        share = self.share_of(variable)
        super().update_step(gradient, variable, learning_rate if share == 1.0 else learning_rate * share)

    def _apply_weight_decay(self, variables: Iterable[Any]) -> None:
        """Decay as strongly as the variable learns: decoupled decay is a part of the step."""
        decay = self.weight_decay
        if decay is None:
            return
        try:
            for share, group in groupby(sorted(variables, key=self.share_of), self.share_of):
                self.weight_decay = share * decay
                super()._apply_weight_decay(list(group))
        finally:
            self.weight_decay = decay


def stage_shares(base: keras.Model, decay: float, base_rate: float = 1.0) -> dict[int, float]:
    """The share of the learning rate of each variable of a base: ``base_rate * decay`` in its last stage, ``decay`` times as
    much in the stage before, and so on.

    Args:
        base: a backbone; its feature maps divide it into stages. What comes after it, the head, has the whole rate.
        decay: the share of a stage, relative to the stage after it.
        base_rate: the share of the whole base.

    Returns:
        ``id`` of a variable -> share, for ``ScaledRates.scale_rates``; empty where both are 1.
    """
    if decay == base_rate == 1.0:
        return {}
    layers = stages(base)
    return {
        id(variable): base_rate * decay ** (len(layers) - position)
        for position, stage in enumerate(layers)
        for layer in stage
        for variable in layer.variables
    }
