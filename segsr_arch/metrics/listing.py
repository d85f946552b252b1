"""All protocols and metrics as people read them: in a terminal, and as Markdown for the documentation."""

from collections.abc import Sequence

from segsr_arch.metrics.catalogue import CATALOGUE
from segsr_arch.metrics.protocols import PROTOCOLS
from segsr_arch.metrics.pyiqa_metrics import DESCRIPTION as PYIQA
from segsr_arch.metrics.pyiqa_metrics import PREFIX
from segsr_arch.metrics.registered import own_metrics
from segsr_arch.results.tables import Cell, Table, to_markdown

_READS = {
    "gt": "ground truth",
    "lq": "LR images",
    "gt and lq": "ground truth and LR images",
    "nothing": "the SR image alone",
}


def as_text() -> str:
    """What ``segsr evaluate --list`` prints, with what is registered with BasicSR besides."""
    lines = ["protocols, for PSNR and SSIM:"]
    lines += [f"  {name}: {each.description} ({', '.join(each.used_by)})" for name, each in PROTOCOLS.items()]
    lines += ["", "metrics:"]
    lr = " Needs LR images."
    needs = {"gt": "", "lq": lr, "gt and lq": lr, "nothing": " Needs no ground truth."}
    for name, metric in CATALOGUE.items():
        source = f" Source: {metric.source}." if metric.source else ""
        lines.append(f"  {name}: {metric.description}{source}{needs[metric.needs]} Better: {metric.better}.")
    lines += [f"  {PREFIX}NAME: {PYIQA}", ""]
    lines.append("registered with BasicSR, by itself or by --imports; their options stand under val:metrics:")
    lines += [f"  {name}: {description}" for name, description in own_metrics().items()]
    return "\n".join(lines)


def as_markdown() -> str:
    """Two tables: protocols (what they are, who uses them), and this package's metrics (what each is and needs)."""
    protocols = [(f"`{name}`", each.description, ", ".join(each.used_by)) for name, each in PROTOCOLS.items()]
    metrics = [
        (
            f"`{name}`",
            f"{metric.title}{f' ({metric.unit})' if metric.unit else ''}: {metric.description}",
            metric.source,
            f"{'all images together' if metric.whole_set else 'each image'}, {_READS[metric.needs]}",
            metric.better,
            f"{metric.smallest_side} x {metric.smallest_side}",
            f"`pip install 'segsr-arch[{metric.extra}]'`" if metric.extra else "",
        )
        for name, metric in CATALOGUE.items()
    ]
    heads = ("`--metric`", "what it is", "source", "measures", "better", "smallest image", "to install")
    return "\n\n".join(
        [_table(("`--protocol`", "PSNR and SSIM on", "used by"), protocols), _table(heads, metrics), PYIQA]
    )


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    cells = tuple(tuple(Cell(value=text) for text in row) for row in rows)
    return to_markdown(Table(headers=heads, rows=cells, left=tuple(range(len(heads)))))
