"""How the authors' released implementations name their parameters, and what their configs' keys are to us."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Released:
    """How a released implementation names things.

    `arguments`: key of its config → our argument; `fixed`: arguments that its config does not say; `names`:
    its parameters and buffers → ours, where `*` stands for the number of a layer, the same in both. `keras`:
    names are matched by their end, without the counters that Keras appends, and an array's axes run the other
    way round ([in, out]). Axes of length 1 may be there or not (one attention head, a convolution of kernel
    1). `unused`: parameters that the released class holds and never uses; our model does not have them. `idle`: those that
    it may hold where an argument keeps them from being used; then our model does not have them either.
    """

    model: str
    arguments: Mapping[str, str]
    names: Mapping[str, str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    keras: bool = False
    unused: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    def is_unused(self, name: str, ours: Container[str]) -> bool:
        """Whether a released name is one of `unused`, or of `idle` and our model, whose names are given, has no such."""
        found = any(_expression(pattern).fullmatch(name) for pattern in self.unused)
        return found or (self.ours(name) not in ours and any(_expression(p).fullmatch(name) for p in self.idle))

    def ours(self, name: str) -> str | None:
        """Our name for a released one; None if there is none."""
        if self.keras:
            name = "/".join(re.sub(r"(_\d+)?(:\d+)?$", "", part) for part in name.split("/"))
        for pattern, our in self.names.items():
            if match := _expression(pattern, "(?:.*/)?" if self.keras else "").fullmatch(name):
                for number in match.groups():
                    our = our.replace("*", number, 1)
                return our
        return None


def _expression(pattern: str, prefix: str = "") -> re.Pattern[str]:
    return re.compile(prefix + re.escape(pattern).replace(r"\*", r"(\d+)"))


def _pairs(names: Mapping[str, str], ends: Iterable[str] = (".weight", ".bias")) -> dict[str, str]:
    """Every name with every end, the same on both sides."""
    return {theirs + end: our + end for theirs, our in names.items() for end in ends}


def _keras(names: Mapping[str, str]) -> dict[str, str]:
    """Kernel and bias of dense layers."""
    ends = {"kernel": "weight", "bias": "bias"}
    return {f"{theirs}/{end}": f"{our}.{ends[end]}" for theirs, our in names.items() for end in ends}


_STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")
_SIZES = {"d_model": "width", "n_heads": "heads", "n_layers": "layers", "dropout": "dropout"}
_SAMFORMER = {"revin": "revin", "batch_mixed_denorm": "batch_mixed_denorm", "attention_dim": "width"}
_TSMIXER = {"n_blocks": "blocks", "ff_dim": "ff_width", "dropout": "dropout", "batch_mixed_denorm": "batch_mixed_denorm"}
_KERAS_REVIN = {"rev_norm/affine_weight": "revin.weight", "rev_norm/affine_bias": "revin.bias"}

_SEGMENTS = {"pos_emb.weight": "position", "channel_emb": "channel"}
_SEGMENTS |= _pairs(
    {
        "tokenizer.tokenizer": "own",
        "tokenizer.context_channel_projection": "mixing",
        "tokenizer.context_temporal_projection": "context",
        "tokenizer.tokenizer_output": "head",
        "transformer.mlps.*.c_fc": "mlps.*.up",
        "transformer.mlps.*.c_proj": "mlps.*.down",
    }
)
_SEGMENTS |= {
    "tokenizer.input_norm_main.weight": "own_norm.weight",
    "tokenizer.input_norm_ctx.weight": "context_norm.weight",
    "pre_norm.weight": "input_norm.weight",
    "transformer.lns.*.weight": "mlp_norms.*.weight",
    "final_norm.weight": "output_norm.weight",
}

_STRUCTURAL = _SEGMENTS | {
    "pos_emb_2": "parity",
    "channel_emb_pos": "channel_parity",
    "transformer.VAR_input_norm.weight": "var_norm.weight",
    "transformer.generate_S.LU": "structure",
}

_CATS_COUNTS = {"F_conv_output": "conv", "F_noconv_output": "noconv", "F_gconv_output_rate": "gconv"}
_CATS_COUNTS |= {"F_lin_output": "lin", "F_id_output_rate": "identity", "F_emb_output": "emb", "mlp_ratio": "mlp_ratio"}
_CATS_SWITCHES = ("channel_sparsity", "mid_gate", "output_projection", "continuity_beta")
_CATS_IDLE = _pairs(
    {
        "channel_selection.aggregation.0": "selection.level",
        "channel_selection.attention.0": "selection.up",
        "channel_selection.attention.2": "selection.down",
        "output_conv_1x1.1": "correction",
    }
) | {
    "generate_self_mask.weights.0": "gate.weight",
    "generate_self_mask.biases.0": "gate.bias",
    "mask_generate_linspace": "gate.ramp",
}

_PATCHTST_LAYER = "model.backbone.encoder.layers.*"

RELEASED: dict[tuple[str, str], Released] = {
    ("samformer", "pytorch"): Released(
        "samformer",
        _SAMFORMER,
        {"revin.affine_weight": "revin.weight", "revin.affine_bias": "revin.bias"}
        | _pairs(
            {
                "compute_queries": "query",
                "compute_keys": "key",
                "compute_values": "value",
                "linear_forecaster": "forecaster",
            }
        ),
        fixed={"variant": "pytorch"},
    ),
    ("samformer", "tensorflow"): Released(
        "samformer",
        _SAMFORMER,
        _KERAS_REVIN
        | _keras(
            {
                "multi_head_attention/query": "query",
                "multi_head_attention/key": "key",
                "multi_head_attention/value": "value",
                "multi_head_attention/attention_output": "output",
                "dense": "forecaster",
            }
        ),
        fixed={"variant": "tensorflow"},
        keras=True,
    ),
    ("tsmixer", "tensorflow"): Released(
        "tsmixer",
        _TSMIXER,
        _KERAS_REVIN
        | {
            "batch_normalization/gamma": "norm.weight",
            "batch_normalization/beta": "norm.bias",
            "batch_normalization/moving_mean": "norm.running_mean",
            "batch_normalization/moving_variance": "norm.running_var",
        }
        | _keras({"temporal_dense": "time", "feature_dense": "up", "output_dense": "down", "dense": "forecaster"}),
        keras=True,
    ),
    ("samovar", "pytorch"): Released(
        "samovar",
        _SIZES,
        _STRUCTURAL
        | _pairs({"transformer.attn.*.q_proj": "queries.*.linear", "transformer.attn.*.v_proj": "values.*.linear"})
        | {
            "transformer.attn.*.q_norm.weight": "queries.*.norm.weight",
            "transformer.attn.*.v_norm.weight": "values.*.norm.weight",
        },
        unused=("transformer.pns.*.weight",),
    ),
    ("fixedvar", "pytorch"): Released(
        "fixedvar",
        _SIZES,
        _STRUCTURAL | {"transformer.attn.*.fixed_q": "queries.*", "transformer.attn.*.fixed_v": "values.*"},
        unused=("transformer.pns.*.weight",),
    ),
    ("lintrans", "pytorch"): Released(
        "lintrans",
        _SIZES,
        _SEGMENTS
        | {"transformer.pns.*.weight": "attention_norms.*.weight"}
        | _pairs(
            {
                "transformer.attn.*.q1": "attentions.*.query",
                "transformer.attn.*.k1": "attentions.*.key",
                "transformer.attn.*.v1": "attentions.*.value",
                "transformer.attn.*.c_proj": "attentions.*.output",
            }
        ),
        unused=("transformer.layer_attn.weight", "transformer.layer_attn.bias"),
    ),
    ("itransformer", "pytorch"): Released(
        "itransformer",
        _SIZES | {"d_ff": "ff_width", "time_features": "time_marks", "use_norm": "normalise"},
        _pairs(
            {
                "enc_embedding.value_embedding": "embedding",
                "encoder.attn_layers.*.attention.query_projection": "layers.*.attention.query",
                "encoder.attn_layers.*.attention.key_projection": "layers.*.attention.key",
                "encoder.attn_layers.*.attention.value_projection": "layers.*.attention.value",
                "encoder.attn_layers.*.attention.out_projection": "layers.*.attention.output",
                "encoder.attn_layers.*.conv1": "layers.*.up",
                "encoder.attn_layers.*.conv2": "layers.*.down",
                "encoder.attn_layers.*.norm1": "layers.*.attention_norm",
                "encoder.attn_layers.*.norm2": "layers.*.ff_norm",
                "encoder.norm": "norm",
                "projector": "head",
            }
        ),
    ),
    ("patchtst", "pytorch"): Released(
        "patchtst",
        _SIZES | {"d_ff": "ff_width", "patch_len": "patch", "stride": "stride"},
        {"model.backbone.W_pos": "position", f"{_PATCHTST_LAYER}.self_attn.sdp_attn.scale": "layers.*.attention.scale"}
        | _pairs(
            {
                "model.backbone.W_P": "embedding",
                f"{_PATCHTST_LAYER}.self_attn.W_Q": "layers.*.attention.query",
                f"{_PATCHTST_LAYER}.self_attn.W_K": "layers.*.attention.key",
                f"{_PATCHTST_LAYER}.self_attn.W_V": "layers.*.attention.value",
                f"{_PATCHTST_LAYER}.self_attn.to_out.0": "layers.*.attention.output",
                f"{_PATCHTST_LAYER}.ff.0": "layers.*.up",
                f"{_PATCHTST_LAYER}.ff.3": "layers.*.down",
                "model.head.linear": "head",
            }
        )
        | _pairs(
            {
                f"{_PATCHTST_LAYER}.norm_attn.1": "layers.*.attention_norm",
                f"{_PATCHTST_LAYER}.norm_ffn.1": "layers.*.ff_norm",
            },
            (".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked"),
        ),
    ),
    ("dlinear", "pytorch"): Released(
        "dlinear", {"kernel_size": "kernel_size"}, _pairs({"Linear_Seasonal": "seasonal", "Linear_Trend": "trend"})
    ),
    ("formerbaseline", "pytorch"): Released(
        "formerbaseline",
        _SIZES | {"mlp_ratio": "mlp_ratio"},
        {"positional_embedding": "position", "output_embedding": "placeholder"}
        | {f"model.layers.*.self_attn.in_proj_{end}": f"layers.*.projection.{end}" for end in ("weight", "bias")}
        | _pairs(
            {
                "input_projection": "embedding",
                "model.layers.*.self_attn.out_proj": "layers.*.output",
                "model.layers.*.linear1": "layers.*.up",
                "model.layers.*.linear2": "layers.*.down",
                "model.layers.*.norm1": "layers.*.attention_norm",
                "model.layers.*.norm2": "layers.*.ff_norm",
                "output_projection": "head",
            }
        ),
    ),
    ("fits", "pytorch"): Released(
        "fits",
        {"individual": "individual", "base_T": "period", "H_order": "harmonics"},
        {"freq_upsampler.weight": "weights.0", "freq_upsampler.bias": "biases.0"}
        | {"freq_upsampler.*.weight": "weights.*", "freq_upsampler.*.bias": "biases.*"},
    ),
    ("cats", "pytorch"): Released(
        "cats",
        _CATS_COUNTS | {"predictor_dropout": "dropout"} | {name: name for name in _CATS_SWITCHES},
        _CATS_IDLE
        | {"pure_emb": "learned"}
        | _pairs(
            {
                "input_conv.conv1d": "blocks.0.map",
                "input_conv_alter.conv1d": "blocks.1.map",
                "input_conv2": "smooth.0",
                "input_conv2_alter": "smooth.1",
                "input_conv_grouped2": "grouped",
                "input_conv_1x1": "mixed",
                "Predictor.model.0": "up",
                "Predictor.model.3": "down",
            }
        ),
        unused=("channel_w", "channel_b"),
        idle=tuple(_CATS_IDLE),
    ),
    ("ckn", "pytorch"): Released(
        "ckn",
        {n: n for n in ("widths", "kernel_sizes", "subsampling", "kernels")}
        | {"kernel_args": "sigmas"}
        | {"fit_alpha": "fit_alpha"},
        {"features.ckn_layers.*.weight": "layers.*.weight"} | _pairs({"classifier": "classifier"}),
        fixed={"backward": "released"},
    ),
    ("vgg", "pytorch"): Released(
        "vgg",
        {"layers": "widths"},
        _pairs({name: name for name in ("features.*", "fc.0", "fc.1", "classifier")}, (".weight", ".bias", *_STATISTICS)),
    ),
}
"""By `model` and the first word of `variant` in the config; without a variant it is the PyTorch code."""
