"""What visitors are told of a result: figures with their units, and what they should know."""

from segsr_arch.app.jobs import Made
from segsr_arch.scenes.report import SceneReport


def facts_of(made: Made) -> list[tuple[str, str]]:
    """Say what was made, as rows of a table.

    Returns:
        A name and what is to be said of it, in their order.
    """
    first, scene = made.reports[0], made.scene
    rows = [
        ("Network", f"{made.network.name}, x{made.network.scale}"),
        ("Input", f"{made.upload.source.name}, {scene.width} x {scene.height} pixels"),
        ("Output", f"{first.width} x {first.height} pixels, {first.bands} bands of {first.dtype}"),
        ("Coordinates", first.crs or "the file says none"),
        ("What the network was given", scene.radiometry.words),
    ]
    for number, report in enumerate(made.reports, start=1):
        which = f" of sample {number}" if len(made.reports) > 1 else ""
        rows.append((f"LR consistency{which}", _consistency(report)))
    if first.seams.ratio == first.seams.ratio:  # not NaN: there are seams
        rows.append(("Seams", f"gradients across the edges of tiles are {first.seams.ratio:.3f} of those elsewhere"))
    if first.caption is not None:
        rows.append(("Caption", first.caption))
    rows.append(("Time", f"{sum(report.seconds for report in made.reports):.1f} s"))
    rows += [("Note", made.upload.named(note)) for note in dict.fromkeys(first.notes)]
    return rows


def _consistency(report: SceneReport) -> str:
    consistency = report.consistency
    if not consistency.pixels:
        return "nothing could be compared"
    mean, largest = report.in_units(consistency.mean), report.in_units(consistency.largest)
    return f"reduced again, the output differs from the input by {mean} on average, by {largest} at most"
