"""The paper's tables I, II and IV to VII, row by row, with the paper's figures; and one of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.variants import RECOMMENDED_UNITS, Variant, guided, plain

DEFAULT_BASE = "HAT"


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """What the paper reports, on its own random split of the data.

    Attributes:
        ssim: SSIM.
        psnr: PSNR in dB.
    """

    ssim: float
    psnr: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        label: What the paper, or we, call it.
        variant: The network; ``None`` if it can be had neither from BasicSR nor from spandrel.
        paper: The paper's figures by scale.
    """

    label: str
    variant: Variant | None
    paper: Mapping[int, PaperFigure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        key: ``table4``.
        title: What it compares.
        dataset: ``UCM`` or ``AID``.
        scales: Scales that the paper has.
        rows: Its rows. Each is compared with the plain base of its own variant, if that is a row, too.
        paper_base: The base of the paper's figures, where another may be chosen; ``None`` if the rows name theirs.
    """

    key: str
    title: str
    dataset: str
    scales: tuple[int, ...]
    rows: tuple[Row, ...]
    paper_base: str | None = None

    @property
    def base(self) -> str | None:
        """The base of its own rows, where one may be chosen."""
        return None if self.paper_base is None else self.rows[0].variant.base


def _figures(*values: float) -> dict[int, PaperFigure]:
    """SSIM and PSNR at x4, or at x2 and x4."""
    scales = (4,) if len(values) == 2 else (2, 4)
    return {scale: PaperFigure(ssim=values[2 * i], psnr=values[2 * i + 1]) for i, scale in enumerate(scales)}


def _methods(figures: Mapping[str, tuple[float, ...]]) -> tuple[Row, ...]:
    variants = {
        "SRResNet": plain("SRResNet"),
        "EDSR-L": plain("EDSR"),
        "RRDBNet": plain("RRDBNet"),
        "RCAN": plain("RCAN"),
        "SwinIR": plain("SwinIR"),
        "SRFormer": plain("SRFormer"),
        "HAT": plain("HAT"),
        "SeG-SR": guided("HAT"),
    }
    return tuple(Row(label=label, variant=variants.get(label), paper=_figures(*own)) for label, own in figures.items())


def _table1(base: str) -> Table:
    figures = {
        "SRResNet": (0.9367, 35.3248, 0.7802, 28.8762),
        "EDSR-L": (0.9383, 35.5104, 0.7840, 28.9274),
        "RRDBNet": (0.9335, 35.0327, 0.7839, 28.9929),
        "RCAN": (0.9386, 35.5456, 0.7860, 29.0668),
        "SwinIR": (0.9390, 35.5463, 0.7877, 29.0573),
        "SRFormer": (0.9391, 35.5784, 0.7888, 29.1128),
        "HAT": (0.9398, 35.6829, 0.7893, 29.0985),
        "HAUNet": (0.9389, 35.6016, 0.7894, 29.0804),
        "SPT": (0.9394, 35.6318, 0.7889, 29.1108),
        "TTST": (0.9400, 35.7058, 0.7895, 29.1405),
        "MFG-HMoE": (0.9409, 35.8110, 0.7954, 29.2882),
        "SeG-SR": (0.9415, 35.8757, 0.7961, 29.3042),
    }
    title = "Methods on UC Merced (table I)"
    return Table(key="table1", title=title, dataset="UCM", scales=(2, 4), rows=_methods(figures))


def _table2(base: str) -> Table:
    figures = {
        "SRResNet": (0.9427, 36.3866, 0.8044, 30.4003),
        "EDSR-L": (0.9438, 36.4926, 0.8091, 30.5434),
        "RRDBNet": (0.9407, 36.2417, 0.8063, 30.4646),
        "RCAN": (0.9441, 36.5261, 0.8098, 30.5880),
        "SwinIR": (0.9434, 36.4428, 0.8089, 30.5357),
        "SRFormer": (0.9439, 36.5017, 0.8091, 30.5562),
        "HAT": (0.9439, 36.4975, 0.8104, 30.5920),
        "HAUNet": (0.9436, 36.4883, 0.8079, 30.5571),
        "SPT": (0.9431, 36.4542, 0.8094, 30.5847),
        "TTST": (0.9441, 36.5142, 0.8108, 30.6108),
        "MFG-HMoE": (0.9443, 36.5399, 0.8110, 30.6167),
        "SeG-SR": (0.9444, 36.5316, 0.8110, 30.6533),
    }
    title = "Methods on AID (table II)"
    return Table(key="table2", title=title, dataset="AID", scales=(2, 4), rows=_methods(figures))


def _ablation(key: str, title: str, rows: list[Row]) -> Table:
    return Table(key=key, title=title, dataset="UCM", scales=(4,), rows=tuple(rows), paper_base=DEFAULT_BASE)


def _table4(base: str) -> Table:
    rows = [
        Row(label="no guide", variant=plain(base), paper=_figures(0.7884, 29.1013)),
        Row(label="SFEM", variant=guided(base, suffix="sfem", modules="sfem"), paper=_figures(0.7947, 29.2792)),
        Row(
            label="SFEM + LMM",
            variant=guided(base, suffix="sfem-lmm", modules="sfem+lmm"),
            paper=_figures(0.7950, 29.2831),
        ),
        Row(label="SFEM + SLM + LMM", variant=guided(base), paper=_figures(0.7961, 29.3042)),
    ]
    return _ablation("table4", "The guide's modules (table IV)", rows)


def _table5(base: str) -> Table:
    rows = [
        Row(
            label="without LoRA",
            variant=guided(base, suffix="lora-none", lora_targets="none"),
            paper=_figures(0.7939, 29.2521),
        ),
        Row(
            label="half the rank, QKV + FFN",
            variant=guided(base, suffix="lora-half", rank_factor=0.5),
            paper=_figures(0.7942, 29.2717),
        ),
        Row(
            label="QKV alone",
            variant=guided(base, suffix="lora-qkv", lora_targets="qkv"),
            paper=_figures(0.7960, 29.3011),
        ),
        Row(label="QKV + FFN", variant=guided(base), paper=_figures(0.7961, 29.3042)),
        Row(
            label="twice the rank, QKV + FFN",
            variant=guided(base, suffix="lora-double", rank_factor=2.0),
            paper=_figures(0.7958, 29.2808),
        ),
    ]
    return _ablation("table5", "Adaptation of the vision-language model (table V; the paper's rank is 32)", rows)


def _table6(base: str) -> Table:
    figures = {
        "p_i": (0.7949, 29.2889),
        "p_i+p_g": (0.7954, 29.2997),
        "p_i+I_g": (0.7959, 29.2956),
        "p_g+I_g": (0.7949, 29.2955),
    }
    rows = [
        Row(
            label=descriptors.replace("+", " + "),
            variant=guided(base, suffix=descriptors.replace("_", "").replace("+", "-"), descriptors=descriptors),
            paper=_figures(*own),
        )
        for descriptors, own in figures.items()
    ]
    rows.append(Row(label="p_i + p_g + I_g", variant=guided(base), paper=_figures(0.7961, 29.3042)))
    return _ablation("table6", "The vectors of the localization (table VI)", rows)


def _table7(base: str) -> Table:
    figures = {
        # The paper's x4 figure of EDSR + 2 units is above the one that it prints as the best of EDSR.
        "EDSR": {
            None: (0.9383, 35.5104, 0.7840, 28.9274),
            2: (0.9389, 35.6736, 0.7885, 29.2717),
            4: (0.9397, 35.6864, 0.7892, 29.1522),
            8: (0.9399, 35.6819, 0.7895, 29.1276),
        },
        "RCAN": {
            None: (0.9386, 35.5456, 0.7860, 29.0668),
            2: (0.9398, 35.6661, 0.7897, 29.1335),
            5: (0.9397, 35.6819, 0.7912, 29.1476),
            10: (0.9399, 35.6724, 0.7899, 29.1463),
        },
        "HAT": {
            None: (0.9398, 35.6829, 0.7884, 29.1013),
            2: (0.9409, 35.8352, 0.7934, 29.2415),
            3: (0.9414, 35.8572, 0.7944, 29.2710),
            6: (0.9415, 35.8757, 0.7961, 29.3042),
        },
    }
    rows = [
        Row(
            label=name if units is None else f"{name} + {units} units",
            variant=plain(name) if units is None else guided(name, units=units),
            paper=_figures(*own),
        )
        for name, by_units in figures.items()
        for units, own in by_units.items()
    ]
    title = "Other networks, and the number of units (table VII)"
    return Table(key="table7", title=title, dataset="UCM", scales=(2, 4), rows=tuple(rows))


def _extra(base: str) -> Table:
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
    title = "What the public code does otherwise, and whose weights the vision-language model has (not in the paper)"
    return Table(key="extra", title=title, dataset="UCM", scales=(2, 4), rows=tuple(rows), paper_base=DEFAULT_BASE)


_TABLES = {
    "table1": _table1,
    "table2": _table2,
    "table4": _table4,
    "table5": _table5,
    "table6": _table6,
    "table7": _table7,
    "extra": _extra,
}
TABLE_KEYS = tuple(_TABLES)


def make_table(key: str, *, base: str | None = None) -> Table:
    """Make a table.

    Args:
        key: One of :data:`TABLE_KEYS`.
        base: The network that tables IV, V, VI and ``extra`` guide; ``None`` for the paper's, HAT.

    Returns:
        The table. The paper's figures stay those of HAT.

    Raises:
        ConfigError: If the table is not known, or names its networks itself, or the paper recommends no number of
            units for the base.
    """
    if key not in _TABLES:
        raise ConfigError(f"{key!r} is no table; use one of {', '.join(TABLE_KEYS)}.")
    if base is not None and base not in RECOMMENDED_UNITS:
        raise ConfigError(f"--base: {base!r} is not known; use one of {', '.join(RECOMMENDED_UNITS)}.")
    table = _TABLES[key](base or DEFAULT_BASE)
    if base is not None and table.paper_base is None:
        raise ConfigError(f"--base: {key} names its networks itself; it is for table4, table5, table6 and extra.")
    return table
