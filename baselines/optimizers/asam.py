"""Adaptive SAM: a radius in units of each weight's own size. Two methods go by that name, with two scales of rho."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from baselines.optimizers.sam import SAM, gradients_of, norm_of


class ASAM(SAM):
    """ASAM as its authors have it (Kwon et al., ICML 2021, arXiv 2102.11600; github.com/SamsungLabs/ASAM at f156a68).

    T is |w| + eta where a parameter's name contains "weight" (so norms' scales too), 1 elsewhere (biases). The weights move
    by rho·T²g/(‖Tg‖ + 1e-16), products by element, one norm over all parameters. T is that of the weights before the move.

    A parameter without a gradient in the second pass goes back, too; in the released code it would stay where it was moved.
    """

    def __init__(
        self, base: Any, model: nn.Module, rho: float, eta: float = 0.01, *, scaled: Sequence[Tensor] | None = None,
        twice: bool = False,
    ) -> None:  # fmt: skip
        """model: whose names decide, and whose running statistics move once a step, in the first call of `step(closure)`;
        `twice`: in both, as where the authors' optimizer is called without more. scaled: by parameter of the base, True
        where T is |w| + eta, of a shape that fits it; None: by the names.

        Raises ValueError for a negative rho or eta, and where the base has a parameter that the model has not.
        """
        super().__init__(base, rho, model=None if twice else model)
        if not eta >= 0:
            raise ValueError(f"eta must not be negative, it is {eta}")
        self.eta = eta
        found = _by_name(self.parameters(), model.named_parameters()) if scaled is None else scaled
        self._scaled = {id(p): mask for p, mask in zip(self.parameters(), found, strict=True)}

    def _moves(self, params: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        sizes = [torch.where(self._scaled[id(p)], p.detach().abs() + self.eta, 1.0) for p in params]
        return along(gradients_of(params), sizes, self.rho, 1e-16)


class ASAMAll(SAM):
    """Adaptive SAM as github.com/davda54/sam has it (at 3c3afdb, adaptive=True), the form that is used most.

    T is |w| for every parameter, biases too, without eta: the weights move by rho·w²g/(‖wg‖ + 1e-12). What of a weight is 0
    stays. Its rho is on another scale than that of `ASAM`.
    """

    def _moves(self, params: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        return along(gradients_of(params), [p.detach().abs() for p in params], self.rho, 1e-12)


def along(gradients: Sequence[Tensor], sizes: Sequence[Tensor], rho: float, tiny: float) -> list[Tensor]:
    """rho·T²g/(‖Tg‖ + tiny) by parameter, T being `sizes`."""
    stretched = torch._foreach_mul(list(gradients), list(sizes))
    norm = norm_of(stretched)
    return list(torch._foreach_mul(torch._foreach_mul(stretched, list(sizes)), rho / (norm + tiny)))


def _by_name(parameters: Sequence[Tensor], named: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
    """For each parameter whether its name contains "weight", as a boolean [] on its device."""
    weights = {id(p): "weight" in name for name, p in named}
    if absent := sum(id(p) not in weights for p in parameters):
        raise ValueError(
            f"ASAM goes by the names of the model's parameters: {absent} of the optimizer's are none of the model's; "
            "give the model that the optimizer was made for"
        )
    return [torch.tensor(weights[id(p)], device=p.device) for p in parameters]
