"""What was done with a scene, and how well the output agrees with the input: for people and for the file beside it."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from segsr_arch.scenes.consistency import Consistency
from segsr_arch.scenes.seams import Seams
from segsr_arch.scenes.source.scene import Scene


@dataclass(frozen=True, kw_only=True)
class SceneReport:
    """What was done with a scene.

    Attributes:
        dst: The output.
        skipped: Whether it was there already, made of the same scene in the same way.
        height: Its rows.
        width: Its columns.
        bands: Number of its bands.
        dtype: Type of its values.
        crs: Its coordinate reference system in words; ``None`` without one.
        model: What has made it.
        consistency: How far the reduced output lies from the input, in the input's units.
        seams: Gradients across the edges of tiles, and elsewhere.
        seconds: Time that it took, over all runs if it was interrupted.
        megapixels: LR megapixels.
        peak_memory: Most memory that this process has had so far, in bytes; ``None`` where that is not known.
        notes: Sentences that a user should read.
        caption: Text that the model was given with it; ``None`` for none.
    """

    dst: str
    skipped: bool = False
    height: int
    width: int
    bands: int
    dtype: str
    crs: str | None
    model: str
    consistency: Consistency
    seams: Seams
    seconds: float
    megapixels: float
    peak_memory: int | None = None
    notes: tuple[str, ...] = ()
    caption: str | None = None

    def line(self) -> str:
        """Say all of it on one line."""
        parts = [
            f"{self.width} x {self.height} x {self.bands} {self.dtype}",
            self.crs or "no CRS",
        ]
        if self.consistency.pixels:
            parts.append(f"LR consistency {self.in_units(self.consistency.mean)}")
        if not math.isnan(self.seams.ratio):
            parts.append(f"seam ratio {self.seams.ratio:.3f}")
        parts.append(f"{self.seconds:.1f} s ({self.megapixels / max(self.seconds, 1e-9):.3g} LR megapixels/s)")
        if self.peak_memory is not None:
            parts.append(f"peak memory {self.peak_memory / 1e6:.0f} MB")
        if self.caption is not None:
            parts.append(f"caption {self.caption!r}")
        what = "was done before" if self.skipped else "done"
        return f"{self.dst}: {what}: {', '.join(parts)}"

    def in_units(self, value: float) -> str:
        """Write a difference of stored values with their unit."""
        unit = "" if self.dtype.startswith("float") else " of a grey level" if self.dtype == "uint8" else " units"
        return f"{value:.4g}{unit}"

    def as_json(self) -> dict[str, Any]:
        """For the file beside the output: what :meth:`from_json` reads, and the two figures in words."""
        figures = {"lr_consistency": self.consistency.mean, "seam_ratio": self.seams.ratio}
        return {**asdict(self), **figures}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SceneReport":
        """Read what :meth:`as_json` gave: the report of an output that is there.

        Raises:
            TypeError: If it is not that.
        """
        names = set(cls.__dataclass_fields__)
        values = {name: value for name, value in content.items() if name in names}
        values["consistency"] = Consistency(**values["consistency"])
        values["seams"] = Seams(**values["seams"])
        return cls(**{**values, "notes": tuple(values["notes"]), "skipped": True, "peak_memory": None})


def report_of(
    scene: Scene,
    *,
    dst: str,
    scale: int,
    model: str,
    notes: Sequence[str],
    steps: Sequence[Mapping[str, Any]],
    caption: str | None = None,
) -> SceneReport:
    """Sum up what was noted of the steps of a scene.

    Args:
        scene: The scene.
        dst: The output.
        scale: Scale of the network.
        model: What people call the network.
        notes: Sentences that a user should read.
        steps: The notes of the steps, see :class:`segsr_arch.scenes.pieces.Piece`.
        caption: Text that the network was given.
    """
    crs = scene.metadata.crs
    return SceneReport(
        dst=dst,
        height=scene.height * scale,
        width=scene.width * scale,
        bands=len(scene.bands),
        dtype=scene.dtype,
        crs=None if crs is None else crs.to_string(),
        model=model,
        consistency=_consistency_of(steps),
        seams=sum((Seams(**note["seams"]) for note in steps), start=Seams()),
        seconds=sum(float(note["seconds"]) for note in steps),
        megapixels=scene.height * scene.width / 1e6,
        peak_memory=peak_memory(),
        notes=tuple(notes),
        caption=caption,
    )


def unmet(steps: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say how many values of an output that was to be consistent are not, and by how much; nothing if all are.

    Args:
        steps: The notes of the steps.
    """
    sums = _consistency_of(steps)
    if not sums.missed:
        return ()
    return (
        f"{sums.missed} of {sums.pixels} values are not consistent, by {sums.largest:.4g} at most: within the range of "
        f"the type they cannot be, or not beside a value that means no data",
    )


def _consistency_of(steps: Sequence[Mapping[str, Any]]) -> Consistency:
    return sum((Consistency(**note.get("consistency", {})) for note in steps), start=Consistency())


def peak_memory() -> int | None:
    """Most memory that this process has had so far, in bytes; ``None`` where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
