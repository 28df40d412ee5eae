"""Surrogate-gap guided SAM: the gradient at the moved weights, without a part of what the two gradients do not share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.optimizers.asam import along
from baselines.optimizers.sam import SAM, gradients_of, norm_of
from baselines.optimizers.schedules import Schedule

Adaptive = Literal["no", "released", "paper"]
"""How the radius follows the weights' size; two forms go by one name."""


class GSAM(SAM):
    """GSAM (Zhuang et al., ICLR 2022, arXiv 2203.08065, algorithm 1; github.com/juntang-zhuang/GSAM at a770275).

    g is the gradient at w, g′ that at the moved weights. With cos = ⟨g, g′⟩/(‖g′‖‖g‖ + 1e-12) and

        v = g − cos·‖g‖·g′/(‖g′‖ + 1e-12),

    the part of g that is orthogonal to g′, the base optimizer steps with d = g′ − alpha·v. `restore` leaves d in
    the gradients; what clips does so after it. With alpha = 0 that is SAM, bit for bit.

    `rho` is the radius of the next step, and a loop sets it: `schedules.in_proportion` is the paper's rule, by the learning
    rate; `ScheduledGSAM` has the released schedules.

    adaptive, with products by element: ``released``, rho·w²g/(‖wg‖ + 1e-12) as the released PyTorch code has it;
    ``paper``, rho·|w|g/(‖g‖ + 1e-12) as the paper's algorithm and google-research/big_vision at 0a83553 have it. The norms
    of the direction are plain ones whatever that is.
    """

    def __init__(
        self, base: Any, rho: float, alpha: float = 0.4, *, adaptive: Adaptive = "no", model: nn.Module | None = None
    ) -> None:
        """Arguments as for `SAM`. Raises ValueError for a negative rho or alpha, and another `adaptive`."""
        super().__init__(base, rho, model=model)
        if not alpha >= 0:
            raise ValueError(f"alpha must not be negative, it is {alpha}")
        if adaptive not in ("no", "released", "paper"):
            raise ValueError(f"expected adaptive no, released or paper, found '{adaptive}'")
        self.alpha, self.adaptive = alpha, adaptive
        self._first: dict[int, Tensor] = {}

    def _moves(self, params: Sequence[Tensor], norm: Tensor) -> list[Tensor]:
        gradients = gradients_of(params)
        self._first = {id(p): gradient.clone() for p, gradient in zip(params, gradients, strict=True)}
        if self.adaptive == "no":
            return super()._moves(params, norm)
        sizes = [p.detach().abs() for p in params]
        if self.adaptive == "released":
            return along(gradients, sizes, self.rho, 1e-12)
        return list(torch._foreach_mul(torch._foreach_mul(gradients, sizes), self.rho / (norm + 1e-12)))

    @torch.no_grad()
    def restore(self) -> None:
        """Put back the weights that `ascend` found, exactly, and turn the gradients there are into d, in place.

        A parameter that has a gradient in one of the two passes alone has none, of 0, in the other; without one in the
        second it stays without, as in the released code.
        """
        super().restore()
        followed = [p for p in self.parameters() if p.grad is not None] if self._first else []
        if followed:
            second = gradients_of(followed)
            first = [self._first[id(p)] if id(p) in self._first else torch.zeros_like(p) for p in followed]
            norm, other = norm_of(list(self._first.values())), norm_of(second)
            shared = torch.stack([each.sum() for each in torch._foreach_mul(first, second)]).sum()
            cosine = shared / (other * norm + 1e-12)
            torch._foreach_mul_(second, 1 + self.alpha * cosine * norm / (other + 1e-12))
            torch._foreach_add_(second, first, alpha=-self.alpha)
        self._first = {}


class ScheduledGSAM(GSAM):
    """GSAM that sets its own radius and its base's learning rate at each step, from two schedules.

    late: as the loop does that the released read-me prescribes. There the learning rate's schedule is called after each
    step, and rho's once before the first one too: step s, from 0, has rho of call s and the rate of call s − 1, the first
    one the rate that the base was made with. Otherwise both are of call s.

    The steps are counted by `ascend`, in the base's first parameter group, so that the count is part of `state_dict`.
    """

    def __init__(
        self, base: Any, rates: Schedule, radii: Schedule, alpha: float = 0.4, *, late: bool = False,
        adaptive: Adaptive = "no", model: nn.Module | None = None,
    ) -> None:  # fmt: skip
        """rates, radii: of the learning rate and of rho. Raises ValueError as `GSAM` does."""
        super().__init__(base, radii.at(0), alpha, adaptive=adaptive, model=model)
        self.rates, self.radii, self.late = rates, radii, late
        self.param_groups[0].setdefault("gsam_steps", 0)

    def ascend(self) -> Tensor:
        """As in `GSAM`, with the radius of this step; sets the rate that the base's step will have."""
        steps = int(self.param_groups[0]["gsam_steps"])
        self.rho = self.radii.at(steps)
        norm = super().ascend()
        if not self.late or steps:
            for group in self.param_groups:
                group["lr"] = self.rates.at(steps - self.late)
        self.param_groups[0]["gsam_steps"] = steps + 1
        return norm
