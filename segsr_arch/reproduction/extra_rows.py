"""The rows of the table ``extra``: the guide in other ways than the paper's, and controls."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.reproduction.rows import Row
from segsr_arch.reproduction.variants import guided, plain, widened

# The controls of a guide, by the end of its label; each has the guide's parameters.
_CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    ", maps of zeros": {"maps": "zero"},
    ", maps of others": {"maps": "shuffled"},
    ", VLM sees HR": {"maps": "oracle"},
}
# What may be asked of a guide that starts as identity, each by itself: label, end of the key, options of the guide.
_HYPOTHESES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("standardised maps", "standardised", {"standardised_maps": True}),
    ("centred tokens", "centred", {"tokens": "centred"}),
    ("map scale from 25", "scale25", {"learned_map_scale": True, "map_scale_start": 25.0}),
    (
        "units apart",
        "apart",
        {"attention_residual": True, "gate_gain": 8.0, "descriptors_past_gate": True},
    ),
    ("3 directions less", "reduced", {"tokens": "reduced"}),
    ("whitened tokens", "whitened", {"tokens": "whitened"}),
    ("earlier tokens", "earlier", {"earlier_tokens": 2}),
)
_PENALTY = 0.01


def extra_rows(base: str) -> list[Row]:
    """Make the rows: questions that the public code raises, and the study of the guide.

    Args:
        base: The network that is guided.

    Returns:
        Their numbers stand in option files and documents; new ones go to the end.
    """
    rows = [
        Row(label="no guide", variant=plain(base)),
        Row(label="guide, VLM pretrained", variant=guided(base, weights="pretrained")),
        Row(label="guide, VLM random", variant=guided(base, weights="random")),
        Row(label="guide as in the paper", variant=guided(base)),
        Row(label="maps with a learned scale", variant=guided(base, suffix="map-scale", learned_map_scale=True)),
        Row(label="learned upsampling of maps", variant=guided(base, suffix="upsampling", map_upsampling="learned")),
        Row(label="LMM without LayerNorm", variant=guided(base, suffix="no-norm", layer_norm=False)),
        Row(label="residual attention in SLM", variant=guided(base, suffix="residual", attention_residual=True)),
    ]
    rows += _with_controls(base, "identity", "identity", {"modulation_residual": True})
    rows += _with_controls(base, "paper", "", {})[1:]  # the guide itself is above
    rows.append(Row(label="no guide, equally large", variant=widened(base), study=True))
    for label, suffix, options in _HYPOTHESES:
        variant = guided(base, suffix=f"identity-{suffix}", modulation_residual=True, **options)
        rows.append(Row(label=f"identity, {label}", variant=variant, study=True))
    apart = {"modulation_residual": True, **dict(_HYPOTHESES[3][2]), "train": {"unit_penalty": _PENALTY}}
    variant = guided(base, suffix="identity-apart-penalty", **apart)
    rows.append(Row(label="identity, apart, penalty", variant=variant, study=True))
    rows += _with_controls(base, "improved", "improved", {"preset": "improved"})
    return rows


def _with_controls(base: str, label: str, suffix: str, options: Mapping[str, Any]) -> list[Row]:
    """A guide, and the same with each of the controls."""
    rows = []
    for number, (ending, control) in enumerate(_CONTROLS.items()):
        key = "-".join(part for part in (suffix, control.get("maps", "")) if part)
        variant = guided(base, suffix=key, **options, **control)
        rows.append(Row(label=f"{label}{ending}", variant=variant, study=number > 0))
    return rows
