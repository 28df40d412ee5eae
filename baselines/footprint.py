"""How much memory a training step of each model takes, from its sizes alone: arithmetic without torch.

Numbers are counted that autograd holds at a step's peak, at the end of the forward pass, and what the way back adds to
them there; each is a float32. Dropout's masks are numbers, too. Names: B batch, L look-back, H horizon,
C channels, d width, h heads, T tokens of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol

LARGE = 2**24
"""Numbers in the tokens of SAMoVAR and its kin from which they save memory at the cost of time (`segments`)."""
PARTS = 8
"""In how many parts they then work on them."""
FIXED_ROWS = 128
"""Tokens for which FixedVAR has tables."""
BLOCKS = (12, 24)
"""Steps of the blocks that CATS makes series of."""
KERNELS, GROUPED_KERNEL = (49, 193), 99
"""Steps of CATS's convolutions."""
SELECTION = 8
"""Hidden features of CATS's scores, by series."""
_BYTES = 4
_MASK = 1
_HEAP, _HEAP_MOST = 1.8, 2**23
"""Tensors of up to so many numbers (32 MiB) glibc takes from its heap, whose holes cost about as much again (1.1 to 2.4
times what is held was measured, most with SAM); larger ones it maps, and gives back one by one."""


class Sizes(NamedTuple):
    """Of the windows, [B, L, C] and [B, H, C]."""

    lookback: int
    horizon: int
    channels: int
    batch: int

    @property
    def inputs(self) -> int:
        """Numbers in a batch of windows."""
        return self.batch * self.channels * self.lookback

    @property
    def outputs(self) -> int:
        """Numbers in a batch of forecasts."""
        return self.batch * self.channels * self.horizon


def frequencies(lookback: int, horizon: int, period: int, harmonics: int) -> tuple[int, int]:
    """How many frequencies FITS's map takes in, K = (⌊L/period⌋ + 1)·harmonics + 10, and gives out, ⌊K·(L + H)/L⌋."""
    taken = (lookback // period + 1) * harmonics + 10
    return taken, int(taken * ((lookback + horizon) / lookback))


def too_few_frequencies(lookback: int, horizon: int, period: int, harmonics: int) -> str | None:
    """Why FITS cannot be, where a window, or window and horizon together, has not the frequencies that it asks for."""
    taken, given = frequencies(lookback, horizon, period, harmonics)
    for steps, what, asked in ((lookback, "", taken), (lookback + horizon, f" and a horizon of {horizon}", given)):
        if asked > steps // 2 + 1:
            there = f"{steps // 2 + 1} in a look-back of {lookback}{what}"
            return f"{harmonics} harmonics of {period} steps ask for {asked} frequencies, and there are {there}"
    return None


class Estimator(Protocol):
    """What a model says of the memory that it needs, as `memory` of its entry in `baselines.MODELS`."""

    def __call__(self, sizes: Sizes, arguments: Any) -> tuple[int, int]:
        """Bytes of the activations of one training step in float32, and the number of parameters.

        `arguments`: the model's own, all of them, as attributes.
        """
        ...


def _estimator(count: Callable[..., tuple[float, float, int]]) -> Estimator:
    """From a function of the sizes and a model's own arguments to (numbers held, those of a large tensor, parameters)."""

    @wraps(count)
    def memory(sizes: Sizes, arguments: Any) -> tuple[int, int]:
        held, largest, parameters = count(sizes, arguments)
        return int(_BYTES * held * (_HEAP if largest < _HEAP_MOST else 1)), parameters

    return memory


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def _encoder_layer(width: int, ff_width: int) -> int:
    """Parameters: four projections, two norms with scale and shift, two feed-forward maps."""
    return 4 * _linear(width, width) + 4 * width + _linear(width, ff_width) + _linear(ff_width, width)


@_estimator
def samformer(s: Sizes, a: Any) -> tuple[float, float, int]:
    """The window, and what one product makes of it: queries, keys, values and the direct forecast."""
    keras = a.variant == "tensorflow"
    values = a.width if keras else s.lookback
    parameters = 2 * _linear(s.lookback, a.width) + _linear(s.lookback, values) + _linear(s.lookback, s.horizon)
    parameters += (_linear(a.width, s.lookback) if keras else 0) + (2 * s.channels if a.revin else 0)
    projected = s.batch * s.channels * (2 * a.width + values + s.horizon)
    return 2 * s.inputs + 4 * projected, max(s.inputs, projected), parameters


@_estimator
def ablated(s: Sizes, a: Any) -> tuple[float, float, int]:
    """The tokens with what attention adds to them, and the products; divided first, they are there once more."""
    parameters = 3 * _linear(s.lookback, a.width) + _linear(a.width, s.lookback) + _linear(s.lookback, s.horizon)
    parameters += (2 * s.channels if a.revin else 0) + int(a.sigma_reparam)
    projected = s.batch * s.channels * (4 * a.width + s.horizon)
    return (4 + int(a.sigma_reparam)) * s.inputs + 3 * projected, max(s.inputs, projected), parameters


@_estimator
def tsmixer(s: Sizes, a: Any) -> tuple[float, float, int]:
    """Each pass holds the series six times, for its two norms and their masks, and the channels' hidden layer."""
    lookback, channels = s.lookback, s.channels
    parameters = 2 * channels + 2 * channels * lookback + _linear(lookback, lookback) + _linear(lookback, s.horizon)
    parameters += _linear(channels, a.ff_width) + _linear(a.ff_width, channels)
    hidden = s.batch * lookback * a.ff_width
    held = a.blocks * ((4 + 2 * _MASK) * s.inputs + (1 + _MASK) * hidden) + 4 * s.inputs + 3 * s.outputs
    return held, s.inputs, parameters


@_estimator
def dlinear(s: Sizes, a: Any) -> tuple[float, float, int]:
    """Trend and remainder, and the two forecasts."""
    return 4 * s.inputs + 4 * s.outputs, s.inputs, 2 * _linear(s.lookback, s.horizon)


@_estimator
def itransformer(s: Sizes, a: Any) -> tuple[float, float, int]:
    """Tokens are channels, and four time features. With dropout the attention's weights [B, h, T, T] are held."""
    ff_width = a.ff_width or a.width
    sequence = s.channels + (4 if a.time_marks else 0)
    tokens = s.batch * sequence * a.width
    weights = s.batch * a.heads * sequence**2 if a.dropout else 0
    layer = (8 + 2 * _MASK) * tokens + (2 + _MASK) * s.batch * sequence * ff_width + (2 + _MASK) * weights
    parameters = _linear(s.lookback, a.width) + a.layers * _encoder_layer(a.width, ff_width)
    parameters += 2 * a.width + _linear(a.width, s.horizon)
    held = a.layers * layer + 2 * weights + 3 * tokens + 2 * s.inputs + 3 * s.outputs
    return held, max(tokens, weights), parameters


@_estimator
def patchtst(s: Sizes, a: Any) -> tuple[float, float, int]:
    """Each layer holds its attention's weights [B·C, h, P, P] of the P patches; the way back needs three more."""
    patches = (s.lookback - a.patch) // a.stride + 2
    rows = s.batch * s.channels
    tokens, weights = rows * patches * a.width, rows * a.heads * patches**2
    layer = (8 + 2 * _MASK + (1 + _MASK) * a.double_dropout) * tokens + (2 + _MASK) * rows * patches * a.ff_width + weights
    parameters = _linear(a.patch, a.width) + patches * a.width + _linear(a.width * patches, s.horizon)
    parameters += a.layers * (_encoder_layer(a.width, a.ff_width) + 1)
    held = a.layers * layer + 3 * weights + 3 * tokens + 4 * s.inputs + 3 * s.outputs
    return held, max(tokens, weights), parameters


@_estimator
def formerbaseline(s: Sizes, a: Any) -> tuple[float, float, int]:
    """Tokens are the L + H steps; with dropout the attention's weights [B, h, T, T] are held, in the last layer the
    horizon's alone."""
    steps, ff_width = s.lookback + s.horizon, a.mlp_ratio * a.width
    held, largest = 3.0 * s.inputs + 3 * s.outputs, 0.0
    for rows in (*[steps] * (a.layers - 1), s.horizon):
        tokens, weights = s.batch * rows * a.width, s.batch * a.heads * rows * steps if a.dropout else 0
        held += 3 * s.batch * steps * a.width + (6 + 2 * _MASK) * tokens + s.batch * rows * ff_width + (2 + _MASK) * weights
        largest = max(largest, s.batch * rows * ff_width, weights)
    parameters = _linear(s.channels, a.width) + a.positions * a.width + s.horizon * s.channels
    parameters += a.layers * _encoder_layer(a.width, ff_width) + _linear(a.width, s.channels)
    return held + 2 * largest, largest, parameters


@_estimator
def fits(s: Sizes, a: Any) -> tuple[float, float, int]:
    """The window standardised, its frequencies, and window and horizon together; a frequency is two numbers."""
    taken, given = frequencies(s.lookback, s.horizon, a.period, a.harmonics)
    maps = s.channels if a.individual else 1
    frequencies_ = s.batch * s.channels * 2 * (taken + 2 * given)
    return 2.5 * s.inputs + 2 * s.outputs + frequencies_, s.inputs, 2 * maps * _linear(taken, given)


@_estimator
def cats(s: Sizes, a: Any) -> tuple[float, float, int]:
    """The E series are held some ten times, and the hidden layer of the MLP that forecasts them."""
    channels, lookback = s.channels, s.lookback
    series = 2 * (a.noconv + a.conv) + (a.gconv + a.identity + 1) * channels + a.lin + a.emb
    numbers, hidden = s.batch * series * lookback, s.batch * series * a.mlp_ratio * lookback
    parameters = sum(_linear(channels * steps, a.noconv * steps) for steps in BLOCKS)
    parameters += sum(_linear(channels * steps, a.conv) for steps in KERNELS)
    parameters += _linear(GROUPED_KERNEL, a.gconv * channels) + _linear(channels, a.lin) + lookback * a.emb
    if a.channel_sparsity:
        parameters += _linear(lookback, 1) + _linear(channels, SELECTION * series) + _linear(SELECTION * series, series)
    parameters += (series * (lookback + 1) + lookback) if a.mid_gate else 0
    parameters += _linear(lookback, a.mlp_ratio * lookback) + _linear(a.mlp_ratio * lookback, s.horizon)
    parameters += _linear(series, channels) if a.output_projection else 0
    return 12 * numbers + (2 + _MASK) * hidden + 3 * s.batch * series * s.horizon, hidden, parameters


class _Segmented(NamedTuple):
    """What SAMoVAR, FixedVAR and LinTrans share: T = 2⌈L/H⌉ tokens a channel, and the sizes that follow from it."""

    tokens: int  # B·C·T·d
    products: int  # B·C·h·T², which the running sum does not hold
    ends: float  # what is held before and after the blocks
    part: float  # what one part's block takes where it is computed again on the way back
    parameters: int  # without what the blocks' attention has

    @property
    def saved(self) -> bool:
        return self.tokens >= LARGE


def _segmented(s: Sizes, width: int, heads: int, layers: int) -> _Segmented:
    segments = -(-s.lookback // s.horizon)
    count = 2 * segments
    tokens = s.batch * s.channels * count * width
    products = s.batch * s.channels * heads * count**2
    cells = s.batch * s.channels * segments * s.horizon
    parameters = 2 * _linear(s.horizon, width) + _linear(s.channels, s.channels) + _linear(width, s.horizon)
    parameters += 4 * width + (1 + s.channels) * count * width
    parameters += layers * (_linear(width, 4 * width) + _linear(4 * width, width) + width)
    return _Segmented(tokens, products, (4 + _MASK) * tokens + 4 * cells, 14 * tokens / PARTS, parameters)


def _structural(
    s: Sizes, width: int, heads: int, layers: int, attention: int, of_attention: int
) -> tuple[float, float, int]:
    """`attention`: how often each attention layer holds the tokens; `of_attention`: its parameters."""
    own = _segmented(s, width, heads, layers)
    parameters = own.parameters + (3 + 2 * s.channels) * width + heads * (width // heads) ** 2 + layers * of_attention
    if own.saved:
        return own.ends + layers * (2 + 2 * _MASK) * own.tokens + 2 * own.tokens + own.part, own.tokens, parameters
    layer = (10 + attention + 2 * _MASK) * own.tokens + own.products
    return own.ends + layers * layer + 2 * own.tokens, own.tokens, parameters


@_estimator
def samovar(s: Sizes, a: Any) -> tuple[float, float, int]:
    """An MLP holds its tokens ten times, an attention layer five times; of large tokens both hold their input alone."""
    return _structural(s, a.width, a.heads, a.layers, 5, 2 * (_linear(a.width, a.width) + a.width))


@_estimator
def fixedvar(s: Sizes, a: Any) -> tuple[float, float, int]:
    """As SAMoVAR, with tables for queries and values, which are laid out for each window."""
    return _structural(s, a.width, a.heads, a.layers, 3, 2 * s.channels * FIXED_ROWS * a.width)


@_estimator
def lintrans(s: Sizes, a: Any) -> tuple[float, float, int]:
    """A block's attention holds its tokens seven times, its MLP ten times; the last MLP's way back comes at the peak."""
    own = _segmented(s, a.width, a.heads, a.layers)
    parameters = own.parameters + a.layers * (4 * _linear(a.width, a.width) + a.width)
    if own.saved:
        return own.ends + a.layers * (2 + 2 * _MASK) * own.tokens + 2 * own.tokens + own.part, own.tokens, parameters
    held = own.ends + a.layers * ((17 + 3 * _MASK) * own.tokens + own.products) + 8 * own.tokens
    return held, own.tokens, parameters
