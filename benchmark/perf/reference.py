"""Plain implementations to measure against: each model as its description reads, stock layers, one operation a line.

They take the weights of the suite's own models (same names), and are held to the same golden numbers by the tests, so
that a ratio against them is honest. None of what makes the suite fast is here: attention by the running sum of outer
products, dropout by torch, statistics by mean and var, SAM as two passes, a window at a time from a Dataset.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmark.config.recipe import Training
from benchmark.data.windows import Windows


class RMSNorm(nn.Module):
    """x/√(mean(x²) + eps)·weight."""

    def __init__(self, *shape: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(shape)), eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., *shape] to the same."""
        return x / torch.sqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps) * self.weight


class RevIN(nn.Module):
    """Normalisation by window and channel, and back."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels)), eps

    def normalise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, L, C] to the normalised, mean and deviation [B, 1, C]."""
        mean = x.mean(dim=1, keepdim=True).detach()
        std = torch.sqrt(x.var(dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        return (x - mean) / std * self.weight + self.bias, mean, std

    def denormalise(self, y: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """y [B, H, C] back."""
        return (y - self.bias) / (self.weight + self.eps) * std + mean


class SAMformer(nn.Module):
    """Channel attention; `variant` as in `baselines.samformer`."""

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: int = 16, variant: str = "tensorflow",
        revin: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        keras = variant == "tensorflow"
        self.revin = RevIN(channels, 0.0 if keras else 1e-10) if revin else None
        self.query, self.key = nn.Linear(lookback, width), nn.Linear(lookback, width)
        self.value = nn.Linear(lookback, width if keras else lookback)
        self.output = nn.Linear(width, lookback) if keras else nn.Identity()
        self.forecaster = nn.Linear(lookback, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to [B, H, C]."""
        mean = std = None
        if self.revin is not None:
            x, mean, std = self.revin.normalise(x)
        x = x.transpose(1, 2)
        query, key, value = self.query(x), self.key(x), self.value(x)
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]), dim=-1)
        x = x + self.output(weights @ value)
        y: Tensor = self.forecaster(x).transpose(1, 2)
        return y if self.revin is None or mean is None or std is None else self.revin.denormalise(y, mean, std)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE."""
        return F.mse_loss(self(x), y)


class Segments(nn.Module):
    """Steps 1 to 3 and 8 of docs/models.md, SAMoVAR; a subclass says what comes between."""

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: int, heads: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.horizon, self.channels, self.heads = horizon, channels, heads
        self.tokens = 2 * math.ceil(lookback / horizon)
        self.own, self.own_norm = nn.Linear(horizon, width), RMSNorm(width)
        self.mixing = nn.Linear(channels, channels)
        self.context, self.context_norm = nn.Linear(horizon, width), RMSNorm(width)
        self.position = nn.Parameter(torch.zeros(self.tokens, width))
        self.channel = nn.Parameter(torch.zeros(channels, self.tokens, width))
        self.input_norm, self.output_norm = RMSNorm(width), RMSNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, horizon)
        self.mlp_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        self.mlps = nn.ModuleList(MLP(width, dropout) for _ in range(layers))

    def encode(self, tokens: Tensor) -> Tensor:
        """[B, C, 2N, d] to [B, C, N, d]."""
        raise NotImplementedError

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x [B, L, C] to predictions and segments [B, C, N, H], shift and scale [B, C, 1]."""
        x = x.transpose(1, 2)
        shift = x[..., -self.horizon :].mean(dim=-1, keepdim=True)
        scale = x.std(dim=-1, keepdim=True) + 1e-8
        x = (x - shift) / scale
        x = F.pad(x, (-x.shape[-1] % self.horizon, 0))
        segments = x.reshape(*x.shape[:2], -1, self.horizon)
        own = self.own_norm(self.own(segments))
        mixed = self.mixing(segments.transpose(1, 3)).transpose(1, 3)
        context = self.context_norm(self.context(mixed))
        tokens = torch.stack([context, own], dim=3).reshape(*own.shape[:2], -1, own.shape[-1])
        predictions: Tensor = self.head(self.output_norm(self.encode(tokens)))
        return predictions, segments, shift, scale

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to [B, H, C]."""
        predictions, _, shift, scale = self.predict(x)
        return (predictions[:, :, -1] * scale + shift).transpose(1, 2)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE of the forecast and of the next-segment predictions."""
        predictions, segments, shift, scale = self.predict(x)
        loss = F.mse_loss((predictions[:, :, -1] * scale + shift).transpose(1, 2), y)
        if segments.shape[2] > 1:
            loss = loss + F.mse_loss(predictions[:, :, :-1], segments[:, :, 1:])
        return loss

    def split(self, x: Tensor) -> Tensor:
        """[..., T, d] to [..., h, T, e]."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-2, -3)


class MLP(nn.Module):
    """Lin, GELU, Lin, dropout."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up, self.down, self.dropout = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d] to the same."""
        y: Tensor = self.dropout(self.down(F.gelu(self.up(x))))
        return y


def running_sum(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """q_t · Σ_{i ≤ t} k_i v_iᵀ, as released: the outer products of all tokens, summed up along time."""
    state = torch.einsum("...td,...te->...tde", key, value).cumsum(dim=-3)
    return torch.einsum("...td,...tde->...te", query, state)


class SAMoVAR(Segments):
    """Steps 4 to 7 of docs/models.md, SAMoVAR."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width, heads, layers = arguments["width"], arguments["heads"], arguments["layers"]
        each = width // heads
        self.parity = nn.Parameter(torch.zeros(2, width))
        self.channel_parity = nn.Parameter(torch.zeros(self.channels, 2, width))
        self.var_norm = RMSNorm(width)
        self.structure = nn.Parameter(torch.zeros(heads, each, each))
        self.make_queries_values(width, heads, layers)

    def make_queries_values(self, width: int, heads: int, layers: int) -> None:
        """A pair of projections a layer."""
        self.queries = nn.ModuleList(Projection(width, heads) for _ in range(layers))
        self.values = nn.ModuleList(Projection(width, heads) for _ in range(layers))

    def query_value(self, layer: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """q and v [B, C, h, 2N, e] of a layer."""
        query, value = self.queries[layer](x), self.values[layer](x)
        return query, value

    def encode(self, tokens: Tensor) -> Tensor:
        """[B, C, 2N, d] to [B, C, N, d]."""
        number = torch.arange(self.tokens, device=tokens.device)
        x = self.dropout(tokens) + self.position[number // 2]
        x = x + self.channel + self.parity[number % 2] + self.channel_parity[:, number % 2]
        x = self.input_norm(x)
        for norm, mlp in zip(self.mlp_norms, self.mlps, strict=True):
            x = x + mlp(norm(x))
        x = self.var_norm(x)
        key, total = self.split(x), torch.zeros((), device=x.device)
        for layer in range(len(self.mlps)):
            query, value = self.query_value(layer, x)
            key = self.dropout(running_sum(query, key, value))
            total = total + key[..., 1::2, :]
        lower = self.structure.tril(-1) + torch.eye(self.structure.shape[-1], device=x.device)
        diagonal = F.softplus(self.structure.diagonal(dim1=-2, dim2=-1))
        total = total @ (lower @ (self.structure.triu(1) + torch.diag_embed(diagonal)))
        y: Tensor = x[..., 1::2, :] + total.transpose(-2, -3).flatten(-2)
        return y


class Projection(nn.Module):
    """Lin, then an RMSNorm a head."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), RMSNorm(heads, width // heads, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        """[..., T, d] to [..., h, T, e]."""
        y: Tensor = self.linear(x)
        y = self.norm(y.reshape(*y.shape[:-1], *self.norm.weight.shape)).transpose(-2, -3)
        return y


class FixedVAR(SAMoVAR):
    """Queries and values are tables."""

    def make_queries_values(self, width: int, heads: int, layers: int) -> None:
        """Two tables a layer."""
        shape = (self.channels, 128, heads, width // heads)
        self.queries = nn.ParameterList(torch.zeros(shape) for _ in range(layers))  # type: ignore[assignment]
        self.values = nn.ParameterList(torch.zeros(shape) for _ in range(layers))  # type: ignore[assignment]

    def query_value(self, layer: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first rows of the tables, for every window."""
        tables: tuple[Any, Any] = self.queries[layer], self.values[layer]
        query, value = (table[:, : self.tokens].transpose(1, 2) for table in tables)
        return query.expand(len(x), *query.shape), value.expand(len(x), *value.shape)


class LinTrans(Segments):
    """Ordinary blocks."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        width, layers = arguments["width"], arguments["layers"]
        self.attention_norms = nn.ModuleList(RMSNorm(width) for _ in range(layers))
        names = ("query", "key", "value", "output")
        self.attentions = nn.ModuleList(nn.ModuleDict({n: nn.Linear(width, width) for n in names}) for _ in range(layers))

    def encode(self, tokens: Tensor) -> Tensor:
        """[B, C, 2N, d] to [B, C, N, d]."""
        x = self.input_norm(self.dropout(tokens) + self.position + self.channel)
        for i, attention in enumerate(self.attentions):
            assert isinstance(attention, nn.ModuleDict)
            normed = self.attention_norms[i](x)
            query, value = self.split(attention["query"](normed)), self.split(attention["value"](normed))
            key = self.split(attention["key"](self.dropout(normed)))
            attended = running_sum(query, key, value).transpose(-2, -3).flatten(-2)
            x = x + self.dropout(attention["output"](attended))
            x = x + self.mlps[i](self.mlp_norms[i](x))
        y: Tensor = x[..., 1::2, :]
        return y


class ITransformer(nn.Module):
    """Attention over channels."""

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: int, heads: int, layers: int, dropout: float,
        ff_width: int | None = None, time_marks: bool = False, normalise: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.time_marks, self.normalise = channels, time_marks, normalise
        self.embedding, self.dropout = nn.Linear(lookback, width), nn.Dropout(dropout)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, ff_width or width, dropout) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to [B, H, C]."""
        mean = x.mean(dim=1, keepdim=True).detach()
        std = torch.sqrt(x.var(dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        x = (x - mean) / std if self.normalise else x
        if self.time_marks and marks is not None:
            x = torch.cat([x, marks], dim=2)
        x = self.dropout(self.embedding(x.transpose(1, 2)))
        for layer in self.layers:
            x = layer(x)
        y: Tensor = self.head(self.norm(x))[:, : self.channels].transpose(1, 2)
        return y * std + mean if self.normalise else y

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE."""
        return F.mse_loss(self(x, marks), y)


class EncoderLayer(nn.Module):
    """Post-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int, ff_width: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention = nn.ModuleDict({n: nn.Linear(width, width) for n in ("query", "key", "value", "output")})
        self.attention_norm, self.ff_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, ff_width), nn.Linear(ff_width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, d] to the same."""
        query, key, value = (
            self.attention[name](x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        weights = self.dropout(torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), dim=-1))
        attended = self.attention["output"]((weights @ value).transpose(1, 2).flatten(2))
        x = self.attention_norm(x + self.dropout(attended))
        hidden = self.dropout(F.gelu(self.up(x)))
        y: Tensor = self.ff_norm(x + self.dropout(self.down(hidden)))
        return y


class TSMixer(nn.Module):
    """Blocks that share their weights: mixing over time, then over channels."""

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, blocks: int = 2, ff_width: int = 64, dropout: float = 0.9
    ) -> None:
        super().__init__()
        self.blocks, self.revin, self.norm = blocks, RevIN(channels, 0.0), BatchNorm(channels, lookback)
        self.time, self.forecaster = nn.Linear(lookback, lookback), nn.Linear(lookback, horizon)
        self.up, self.down, self.dropout = nn.Linear(channels, ff_width), nn.Linear(ff_width, channels), nn.Dropout(dropout)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to [B, H, C]."""
        x, mean, std = self.revin.normalise(x)
        for _ in range(self.blocks):
            x = x + self.dropout(F.relu(self.time(self.norm(x).transpose(1, 2)))).transpose(1, 2)
            x = x + self.dropout(self.down(self.dropout(F.relu(self.up(self.norm(x))))))
        return self.revin.denormalise(self.forecaster(x.transpose(1, 2)).transpose(1, 2), mean, std)

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE."""
        return F.mse_loss(self(x), y)


class BatchNorm(nn.Module):
    """Over the batch, for each channel and time step."""

    def __init__(self, channels: int, lookback: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels, lookback)), nn.Parameter(torch.zeros(channels, lookback))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels, lookback))
        self.register_buffer("running_var", torch.ones(channels, lookback))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, L, C] to the same."""
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(dim=0).T, x.var(dim=0, unbiased=False).T
            self.running_mean.mul_(0.99).add_(0.01 * mean.detach())
            self.running_var.mul_(0.99).add_(0.01 * var.detach())
        return (x - mean.T) / torch.sqrt(var.T + 1e-3) * self.weight.T + self.bias.T


class PatchTST(nn.Module):
    """A transformer over patches of each channel, with the scores of the layer before."""

    def __init__(
        self, *, lookback: int, horizon: int, channels: int, width: int = 128, heads: int = 16, layers: int = 3,
        ff_width: int = 256, dropout: float = 0.2, patch: int = 16, stride: int = 8,
    ) -> None:  # fmt: skip
        super().__init__()
        patches = (lookback - patch) // stride + 2
        self.patch, self.stride, self.dropout = patch, stride, nn.Dropout(dropout)
        self.embedding, self.position = nn.Linear(patch, width), nn.Parameter(torch.zeros(patches, width))
        self.layers = nn.ModuleList(PatchLayer(width, heads, ff_width, dropout) for _ in range(layers))
        self.head = nn.Linear(width * patches, horizon)

    def forward(self, x: Tensor, marks: Tensor | None = None) -> Tensor:
        """x [B, L, C] to [B, H, C]."""
        mean = x.mean(dim=1, keepdim=True).detach()
        std = torch.sqrt(x.var(dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        series = ((x - mean) / std).transpose(1, 2)
        patches = F.pad(series, (0, self.stride), mode="replicate").unfold(-1, self.patch, self.stride)
        tokens = self.dropout(self.embedding(patches) + self.position).flatten(0, 1)
        scores: Tensor | float = 0.0
        for layer in self.layers:
            tokens, scores = layer(tokens, scores)
        flat = tokens.transpose(1, 2).flatten(1).unflatten(0, series.shape[:2])
        y: Tensor = self.head(flat).transpose(1, 2) * std + mean
        return y

    def training_loss(self, x: Tensor, y: Tensor, marks: Tensor | None = None) -> Tensor:
        """MSE."""
        return F.mse_loss(self(x), y)


class PatchLayer(nn.Module):
    """Attention and feed-forward, each with a batch norm over tokens."""

    def __init__(self, width: int, heads: int, ff_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.attention = heads, nn.Module()
        for name in ("query", "key", "value", "output"):
            setattr(self.attention, name, nn.Linear(width, width))
        self.attention.scale = nn.Parameter(torch.tensor((width // heads) ** -0.5), requires_grad=False)
        self.attention_norm, self.ff_norm = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.up, self.down, self.dropout = nn.Linear(width, ff_width), nn.Linear(ff_width, width), nn.Dropout(dropout)

    def forward(self, x: Tensor, scores: Tensor | float) -> tuple[Tensor, Tensor]:
        """x [R, P, d] and scores [R, h, P, P] to the same."""
        query, key, value = (
            getattr(self.attention, name)(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        summed = query @ key.transpose(-1, -2) * self.attention.scale + scores
        attended = self.attention.output((torch.softmax(summed, dim=-1) @ value).transpose(1, 2).flatten(2))  # type: ignore
        x = self.attention_norm((x + self.dropout(attended)).transpose(1, 2)).transpose(1, 2)
        hidden = self.down(self.dropout(F.gelu(self.up(x))))
        y: Tensor = self.ff_norm((x + self.dropout(hidden)).transpose(1, 2)).transpose(1, 2)
        return y, summed


MODELS: Mapping[str, type[nn.Module]] = {
    "samformer": SAMformer,
    "samovar": SAMoVAR,
    "fixedvar": FixedVAR,
    "lintrans": LinTrans,
    "itransformer": ITransformer,
    "tsmixer": TSMixer,
    "patchtst": PatchTST,
}
"""By their names in `baselines.MODELS`."""


class WindowDataset(Dataset[tuple[Tensor, ...]]):
    """One window at a time."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        start, lookback, horizon = int(self.windows.starts[index]), self.windows.lookback, self.windows.horizon
        rows = self.windows.series[:, start : start + lookback + horizon].T
        x, y = rows[:lookback].clone(), rows[lookback:].clone()
        return (x, y) if self.windows.marks is None else (x, y, self.windows.marks[:, start : start + lookback].T.clone())


def loader(windows: Windows, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
    """Shuffled batches, made in the training's own process."""
    return DataLoader(WindowDataset(windows), batch_size=batch_size, shuffle=True)


class Trainer:
    """Optimizer steps as they are usually written: one operation a parameter, SAM as two separate passes."""

    def __init__(self, model: nn.Module, training: Training) -> None:
        self.model, self.training = model, training
        kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = kind(
            model.parameters(), lr=training.learning_rate, betas=training.betas, eps=training.eps,
            weight_decay=training.weight_decay, foreach=False,
        )  # fmt: skip

    def step(self, batch: tuple[Tensor, ...]) -> float:
        """One step; the loss is read back, as loops usually do."""
        loss = self._backward(batch)
        if self.training.rho is not None:
            parameters = [p for p in self.model.parameters() if p.grad is not None]
            norm = torch.norm(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]))
            moves, buffers = [], [b.clone() for b in self.model.buffers()]
            with torch.no_grad():
                for p in parameters:
                    assert p.grad is not None
                    moves.append(p.grad * (self.training.rho / (norm + 1e-12)))
                    p.add_(moves[-1])
            self._backward(batch)
            with torch.no_grad():
                for p, move in zip(parameters, moves, strict=True):
                    p.sub_(move)
                for buffer, kept in zip(self.model.buffers(), buffers, strict=True):
                    buffer.copy_(kept)
        if self.training.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.training.clip_norm, foreach=False)
        self.optimizer.step()
        return loss.item()

    def _backward(self, batch: tuple[Tensor, ...]) -> Tensor:
        self.optimizer.zero_grad()
        loss: Tensor = self.model.training_loss(*batch)  # type: ignore[operator]
        loss.backward()  # type: ignore[no-untyped-call]
        return loss
