"""The curvature of the loss where a training has ended: both ends of the Hessian's spectrum, and its trace.

H is the Hessian of the mean loss over examples, in eval mode, over all trained parameters as one vector of n numbers. It is
never formed: everything here is made of products Hv, in float64. The ends are algebraic ones, not the largest in magnitude,
and come by the Lanczos method (ARPACK, as `scipy.sparse.linalg.eigsh` has it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor, nn

from benchmark.errors import UsageError

Vector = NDArray[np.float64]
"""Numbers by trained parameter [n], one parameter after the other in the model's order, each flat."""
TOLERANCE = 1e-6
"""Of an eigenvalue, relative to λmax's; the eigenvalue's own error is of the order of the residual's square."""
SYMMETRY = 1e-4
"""How far ⟨u, Hv⟩ and ⟨v, Hu⟩ may be apart, relative to them, for random u and v."""
MOST_PRODUCTS = 3000
"""Of one end of the spectrum."""
RELEASED_STEPS = 50
"""Of the released power iteration, which has no test of convergence."""


@dataclass(frozen=True)
class Objective:
    """The mean loss of a model over some examples.

    model: in eval mode, in float64. loss: (model, batch) → its mean loss []. batches: gives every batch with its share of
    the examples; the shares add up to 1.
    """

    model: nn.Module
    loss: Callable[[Any, Any], Tensor]
    batches: Callable[[], Iterable[tuple[Any, float]]]

    @property
    def trained(self) -> dict[str, Tensor]:
        """The trained parameters by name."""
        return {name: each.detach() for name, each in self.model.named_parameters() if each.requires_grad}

    def value(self) -> float:
        """The mean loss."""
        with torch.no_grad():
            return sum(float(self.loss(self.model, batch)) * share for batch, share in self.batches())

    def gradient(self) -> Vector:
        """The gradient [n] of the mean loss."""
        return self._sum(lambda of: torch.func.grad(of)(self.trained))

    def product(self, v: Vector) -> Vector:
        """Hv [n] of a vector v [n]: the gradient of ⟨gradient, v⟩.

        Raises UsageError for a model that autograd cannot derive twice.
        """
        direction = self._parted(v)

        def along(of: Callable[[dict[str, Tensor]], Tensor]) -> dict[str, Tensor]:
            def slope(at: dict[str, Tensor]) -> Tensor:
                gradient = torch.func.grad(of)(at)
                return torch.stack([(gradient[name] * direction[name]).sum() for name in gradient]).sum()

            found: dict[str, Tensor] = torch.func.grad(slope)(self.trained)
            return found

        try:
            return self._sum(along)
        except RuntimeError as error:
            why = str(error).splitlines()[0][:150]
            raise UsageError(
                f"sharpness: expected a model whose loss autograd can derive twice, found {type(self.model).__name__}, of "
                f"which torch says: {why}; write its backward pass in torch's own operations"
            ) from None

    def _sum(self, derive: Callable[[Callable[[dict[str, Tensor]], Tensor]], dict[str, Tensor]]) -> Vector:
        total, whole = torch.zeros(self.size, dtype=torch.float64), _Whole(self.model, self.loss)
        for batch, share in self.batches():

            def of(at: dict[str, Tensor], batch: Any = batch) -> Tensor:
                found: Tensor = torch.func.functional_call(whole, {f"model.{n}": v for n, v in at.items()}, (batch,))
                return found

            total += torch.cat([each.detach().flatten() for each in derive(of).values()]) * share
        return np.asarray(total.numpy(), dtype=np.float64)

    @property
    def size(self) -> int:
        """n, how many numbers are trained."""
        return sum(each.numel() for each in self.trained.values())

    def _parted(self, v: Vector) -> dict[str, Tensor]:
        """A vector [n] by parameter, in its shape."""
        ends = np.cumsum([each.numel() for each in self.trained.values()])
        parts = np.split(np.asarray(v, np.float64), ends[:-1])
        return {n: torch.from_numpy(part).view_as(p) for part, (n, p) in zip(parts, self.trained.items(), strict=True)}


class _Whole(nn.Module):
    """Model and loss as one module, since `functional_call` calls a module."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any], Tensor]) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Tensor:
        """The loss [] of a batch."""
        return self.loss(self.model, batch)


def ends(of: Objective, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The largest and the smallest algebraic eigenvalue of H.

    lambda_max, lambda_min []; max_residual, min_residual [], ‖Hv − λv‖ of the unit vector v that belongs to it, so that an
    eigenvalue lies within that of λ; top_vector, bottom_vector [n]; products [], how many Hv it took. seed: of the vector
    that both begin from.

    Raises UsageError where one is not found within `MOST_PRODUCTS`, where the loss is not finite, or where H is not
    symmetric: then the model's gradient is not its loss's own (CATS's, of which channels it keeps, is not).
    """
    found = largest(of, seed)
    most, product, start = float(found["lambda_max"]), _Counted(of), _start(of, seed)
    # Near 0 an end has no relative accuracy to be had: of H − λmax it is the largest in magnitude, and has λmax's.
    least, bottom = _largest(lambda v: most * v - product(v), start)
    least = most - least
    residual = np.linalg.norm(product(bottom) - least * bottom)
    return found | {
        "lambda_min": np.array(least), "min_residual": np.array(residual), "bottom_vector": bottom,
        "products": found["products"] + product.count,
    }  # fmt: skip


def largest(of: Objective, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The largest algebraic eigenvalue of H alone: lambda_max, max_residual, top_vector and products as `ends` has them.

    Raises UsageError as it does.
    """
    product, start = _Counted(of), _start(of, seed)
    if of.size < 3:
        raise UsageError(f"sharpness: expected a model with at least three trained parameters, found {of.size}")
    other = _start(of, seed + 1)
    one, two = other @ product(start), start @ product(other)
    if abs(one - two) > SYMMETRY * max(abs(one), abs(two)):
        raise UsageError(
            f"sharpness: expected a model whose gradient is that of its loss, found {type(of.model).__name__}, whose "
            f"second derivative is not symmetric ({one:.6g} against {two:.6g}): it has no Hessian"
        )
    most, top = _largest(product, start)
    residual = np.linalg.norm(product(top) - most * top)
    return {
        "lambda_max": np.array(most), "max_residual": np.array(residual), "top_vector": top,
        "products": np.array(product.count),
    }  # fmt: skip


class _Counted:
    """Products Hv, counted, each of them finite."""

    def __init__(self, of: Objective) -> None:
        self.of, self.count = of, 0

    def __call__(self, v: Vector) -> Vector:
        """Hv [n] of a vector v [n]."""
        self.count += 1
        found = self.of.product(v.ravel())
        if not np.isfinite(found).all():
            raise UsageError("sharpness: the loss's second derivative is not finite at these weights: nothing to measure")
        return found


def _start(of: Objective, seed: int) -> Vector:
    return np.random.default_rng(seed).standard_normal(of.size)


def _largest(product: Callable[[Vector], Vector], start: Vector) -> tuple[float, Vector]:
    n = len(start)
    operator = LinearOperator((n, n), matvec=lambda v: product(v.ravel()), dtype=np.float64)
    width = min(n, 20)
    try:
        values, vectors = eigsh(
            operator, k=1, which="LA", v0=start, ncv=width, tol=TOLERANCE, maxiter=max(1, MOST_PRODUCTS // width)
        )
    except ArpackNoConvergence:
        raise UsageError(
            f"sharpness: the Lanczos method has not come to an eigenvalue within {MOST_PRODUCTS} products; fewer windows "
            "(--windows) make products cheaper, not fewer: this loss has no isolated end here"
        ) from None
    return float(values[0]), np.asarray(vectors[:, 0], dtype=np.float64)


def trace(of: Objective, count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The trace of H by Hutchinson (1990): the mean of vᵀHv over `count` random vectors v of ±1.

    trace []; trace_error [], the standard error of that mean; vhv [count], each.
    """
    draw = np.random.default_rng(seed)
    each = []
    for _ in range(count):
        v = draw.choice((-1.0, 1.0), of.size)
        each.append(float(v @ of.product(v)))
    vhv = np.array(each)
    return {"trace": np.array(vhv.mean()), "trace_error": np.array(vhv.std(ddof=1) / np.sqrt(count)), "vhv": vhv}


def released_sharpness(of: Objective, factor: float, start: Vector) -> float:
    """What `power_iteration` of SAMformer's released code gives (github.com/romilbert/samformer at 71f10ea,
    `utils/model_utils.py`). It is no eigenvalue.

    Its loss is the mean over channels and the sum over windows and steps: `factor`, windows times horizon, is how many
    times the mean loss that is. From `start` [n], 50 times, without a test of convergence, v becomes Hv/‖Hv‖; what it
    returns is |⟨g, Hv⟩| with the gradient g, where an eigenvalue would be ⟨v, Hv⟩: it grows with ‖g‖, is 0 where the
    gradient is, and grows with the square of the number of windows.
    """
    found = np.asarray(start, dtype=np.float64)
    for _ in range(RELEASED_STEPS):
        found = of.product(found / np.linalg.norm(found)) * factor
    return float(abs(of.gradient() @ found) * factor)
