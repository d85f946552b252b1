"""The files of a table: Markdown to read, CSV to compute with, JSON with everything; and the same for a terminal."""

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segsr_arch.files.text_files import make_folder, write_csv, write_json, write_text
from segsr_arch.reproduction.class_values import (
    CLASS_COLUMNS,
    class_json,
    class_table,
    image_counts,
    of_class,
    of_paper,
)
from segsr_arch.reproduction.outcome import PSNR, SSIM, Measured, Outcome, RowOutcome, Spread
from segsr_arch.reproduction.plan import Plan
from segsr_arch.reproduction.prepared_data import PreparedData
from segsr_arch.reproduction.run_options import as_word
from segsr_arch.reproduction.table_caption import (
    caption,
    command_line,
    device_of,
    missing_lines,
    selection,
    title,
)
from segsr_arch.results.record import Cost
from segsr_arch.results.tables import Cell, Table, mean_cell, to_markdown, to_text
from segsr_arch.text import duration

COLUMNS = (PSNR, SSIM, "psnr_rgb-crop", "ssim_rgb-crop")
_FORMAT = 1


def table_name(plan: Plan) -> str:
    """Name the files of a table, without ending; tables of different rows or weights have different names."""
    table, settings = plan.table, plan.settings
    parts = [table.key, *([table.base] if table.base != table.paper_base else []), f"x{settings.scale}"]
    parts += [as_word(given) for given in (settings.vlm, settings.vlm_pretrained) if given is not None]
    if len(plan.rows) < len(table.rows):
        parts.append("rows" + "-".join(str(row.number) for row in plan.rows))
    return "_".join(parts)


def _spread(spread: Spread | None, *, decimals: int = 4, signed: bool = False) -> Cell:
    return Cell() if spread is None else Cell(value=spread.mean, std=spread.std, decimals=decimals, signed=signed)


def _cost(row: RowOutcome) -> Cost | None:
    return next((one.record.cost for one in row.measured if one.record.cost is not None), None)


def _scaled(value: float | None, factor: float, text: str) -> Cell:
    return Cell() if value is None else Cell(value=value, written=text.format(value * factor))


def _cost_cells(cost: Cost | None) -> list[Cell]:
    return [
        *(_scaled(count, 1e-6, "{:.2f} M") for count in (cost and cost.trainable, cost and cost.parameters)),
        _scaled(cost and cost.macs, 1e-9, "{:.2f} G"),
        _scaled(cost and cost.seconds, 1e3, "{:.0f} ms"),
        _scaled(cost and cost.memory, 1e-6, "{:.1f} MB"),
    ]


def table_cells(outcome: Outcome) -> Table:
    """The table as people read it; what does not exist is a dash."""
    with_paper = any(row.paper for row in outcome.rows)
    with_differences = any(not row.is_plain for row in outcome.rows)
    table = outcome.plan.table
    whose = "paper" if table.base == table.paper_base else f"paper ({table.paper_base})"
    header = ["row", "network"]
    header += [f"SSIM, {whose}", f"PSNR, {whose}"] if with_paper else []
    header += ["SSIM", "PSNR, dB"]
    header += ["diff. over seeds", "diff. over images"] if with_differences else []
    header += ["corr. of maps", "dev. of maps"] if table.tells_of_maps else []
    header += ["trainable", "all param.", "MACs", "forward", "memory", "training", "seeds"]
    rows = []
    for row in outcome.rows:
        cells = [Cell(value=row.planned.number), Cell(value=row.planned.row.label)]
        if with_paper:
            cells += [
                Cell(value=each, decimals=4) for each in (row.paper and row.paper.ssim, row.paper and row.paper.psnr)
            ]
        cells += [_spread(row.values.get(SSIM)), _spread(row.values.get(PSNR))]
        if with_differences:
            found = row.difference
            over_images = mean_cell(found and found.over_images.difference, 4, signed=True)
            cells += [_spread(found and found.over_seeds, signed=True), over_images]
        if table.tells_of_maps:
            cells += [_spread(row.map_correlation, decimals=3), _spread(row.map_deviation, decimals=3)]
        cells += _cost_cells(_cost(row))
        time = Cell() if row.seconds is None else Cell(value=row.seconds, written=duration(row.seconds))
        cells += [time, Cell(value=len(row.measured))]
        rows.append(tuple(cells))
    return Table(headers=tuple(header), rows=tuple(rows), left=(1,))


def _class_tables(outcome: Outcome) -> list[tuple[str, Table]]:
    """The tables of a table by class, each with its title; none of any other table."""
    titles = {PSNR: "PSNR by class, dB", SSIM: "SSIM by class"} if outcome.plan.table.by_class else {}
    return [(title, class_table(outcome, column)) for column, title in titles.items()]


def printed(outcome: Outcome, data: PreparedData | None) -> str:
    """The table for a terminal, with its caption and what is missing."""
    table = table_cells(outcome)
    rows = tuple((Cell(value=f"{number.value:>2} {label.value}"), *cells) for number, label, *cells in table.rows)
    text = to_text(Table(headers=table.headers[1:], rows=rows))
    by_class = [line for name, each in _class_tables(outcome) for line in (name, "", to_text(each), "")]
    return "\n".join([title(outcome), "", text, "", *by_class, *caption(outcome, data), *missing_lines(outcome)])


def _markdown(outcome: Outcome, data: PreparedData | None, name: str) -> str:
    notes = [f"- {line}" for line in (*missing_lines(outcome), *caption(outcome, data))]
    picture = f"![{title(outcome)}]({name}.png)"
    by_class = [line for head, each in _class_tables(outcome) for line in (f"## {head}", "", to_markdown(each), "")]
    return "\n".join(
        [f"# {title(outcome)}", "", to_markdown(table_cells(outcome)), "", *by_class, picture, "", *notes, ""]
    )


def _csv(outcome: Outcome) -> tuple[list[str], list[list[Any]]]:
    header = ["row", "network", "key", "paper_psnr", "paper_ssim", "paper_difference", "seeds", "images"]
    header += [f"{column}{end}" for column in COLUMNS for end in ("", "_std", "_by_seed")]
    header += ["difference", "difference_std", "difference_by_seed", "difference_seeds"]
    header += [f"difference_over_images{end}" for end in ("", "_low", "_high")] + ["images_won", "images_lost"]
    tells_of_maps = outcome.plan.table.tells_of_maps
    if tells_of_maps:
        header += [f"map_{name}{end}" for name in ("correlation", "deviation") for end in ("", "_std", "_by_seed")]
    header += ["trainable", "parameters", "macs", "forward_seconds", "forward_memory", "train_seconds"]
    header += ["device", "vlm", "missing"]
    rows = []
    for row in outcome.rows:
        cost, variant, own = _cost(row), row.planned.row.variant, row.measured
        cells = [row.planned.number, row.planned.row.label, variant.key]
        cells += [row.paper and row.paper.psnr, row.paper and row.paper.ssim, row.paper_difference]
        cells += [_joined(one.run.seed for one in own), _joined(dict.fromkeys(len(one.record.images) for one in own))]
        for column in COLUMNS:
            cells += _spread_cells(row.values.get(column))
        found = row.difference
        cells += _spread_cells(found and found.over_seeds) + [found and _joined(found.seeds)]
        over = found and found.over_images.difference
        cells += [over and over.mean, over and over.low, over and over.high]
        cells += [found and found.over_images.won, found and found.over_images.lost]
        if tells_of_maps:
            cells += _spread_cells(row.map_correlation) + _spread_cells(row.map_deviation)
        cells += [cost and cost.trainable, cost and cost.parameters, cost and cost.macs, cost and cost.seconds]
        cells += [cost and cost.memory, row.seconds]
        cells += [_joined(dict.fromkeys(map(device_of, own)), "; "), _joined(_vlms(own), "; "), "; ".join(row.missing)]
        rows.append(cells)
    return header, rows


def _class_csv(outcome: Outcome) -> tuple[list[str], list[list[Any]]]:
    """Header, and a line for each method and class."""
    header = ["row", "network", "class", "images"]
    header += [f"{column}{end}" for column in CLASS_COLUMNS for end in ("", "_std", "_by_seed", "_paper")]
    counts, lines = image_counts(outcome), []
    for row in outcome.rows:
        paper = row.planned.row.paper_classes
        values = {column: of_class(row, column) for column in CLASS_COLUMNS}
        for name, count in counts.items():
            line: list[Any] = [row.planned.number, row.planned.row.label, name, count]
            for column, found in values.items():
                line += [*_spread_cells(found.get(name)), of_paper(paper.get(name), column)]
            lines.append(line)
    return header, lines


def _joined(values: Any, by: str = " ") -> str:
    return by.join(map(str, values))


def _spread_cells(spread: Spread | None) -> list[Any]:
    return [None, None, None] if spread is None else [spread.mean, spread.std, _joined(map(repr, spread.values))]


def _vlms(measured: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(vlm for one in measured if (vlm := one.record.provenance.get("vlm"))))


def _json(outcome: Outcome, data: PreparedData | None) -> dict[str, Any]:
    plan = outcome.plan
    settings = plan.settings
    return {
        "format": _FORMAT,
        "table": plan.table.key,
        "title": title(outcome),
        "scale": settings.scale,
        "base": plan.table.base,
        "paper_base": plan.table.paper_base,
        "preset": settings.preset.name,
        "iterations": settings.schedule.iterations,
        "seeds": list(plan.seeds),
        "measured_on": settings.dataset_name(settings.final_split),
        "selection": selection(outcome),
        "caption": caption(outcome, data),
        "missing": missing_lines(outcome),
        "data": None if data is None else {**asdict(data), "folder": str(data.folder)},
        "command": command_line(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "rows": [_row_json(row, plan) for row in outcome.rows],
    }


def _row_json(row: RowOutcome, plan: Plan) -> dict[str, Any]:
    variant, cost = row.planned.row.variant, _cost(row)
    maps = {"correlation": row.map_correlation, "deviation": row.map_deviation} if plan.table.tells_of_maps else {}
    return {
        "row": row.planned.number,
        "network": row.planned.row.label,
        "key": variant.key,
        "paper": row.paper and asdict(row.paper),
        "paper_difference": row.paper_difference,
        "figures": {column: asdict(spread) for column, spread in row.values.items()},
        "difference": row.difference and asdict(row.difference),
        "maps": {name: spread and asdict(spread) for name, spread in maps.items()},
        **({"classes": class_json(row)} if plan.table.by_class else {}),
        "cost": cost and asdict(cost),
        "train_seconds": row.seconds,
        "missing": list(row.missing),
        "runs": [
            {
                "name": one.run.name,
                "seed": one.run.seed,
                "images": len(one.record.images),
                "figures": {column: one.mean(column) for column in row.values},
                "trained_on": device_of(one),
                **asdict(one.progress),
                **{
                    key: one.record.provenance.get(key)
                    for key in ("vlm", "checkpoint", "versions", "commit", "machine")
                },
            }
            for one in row.measured
        ],
    }


def write_outcome(folder: Path, outcome: Outcome, data: PreparedData | None) -> list[Path]:
    """Write a table, whole or not, as ``.md``, ``.csv`` and ``.json``; one by class has ``_classes.csv``, too.

    Args:
        folder: Made if it is not there.
        outcome: The outcome.
        data: The images; ``None`` if nobody looked.

    Returns:
        Paths of the files.

    Raises:
        SaveError: If a file cannot be written.
    """
    name = table_name(outcome.plan)
    stem = make_folder(folder) / name
    header, rows = _csv(outcome)
    by_class = [write_csv(Path(f"{stem}_classes.csv"), *_class_csv(outcome))] if outcome.plan.table.by_class else []
    return [
        write_text(Path(f"{stem}.md"), _markdown(outcome, data, name)),
        write_csv(Path(f"{stem}.csv"), header, rows),
        *by_class,
        write_json(Path(f"{stem}.json"), _json(outcome, data)),
    ]
