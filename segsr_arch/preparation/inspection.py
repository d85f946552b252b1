"""What is known of an image of the source once it was looked at."""

from dataclasses import asdict, dataclass
from typing import Any

from segsr_arch.images.reading import RULES


@dataclass(frozen=True)
class Inspection:
    """What is known of a source image.

    Attributes:
        path: File in the source.
        file_digest: SHA-256 of the file's bytes.
        pixel_digest: Digest of its RGB pixels (:func:`~segsr_arch.preparation.worker.digest_pixels`); empty if it
            cannot be used.
        size: Height and width in pixels; zeros if it cannot be used.
        notes: Pairs of finding and sentence.
        rules: Number of the rules by which it was read.
        tiles: Digests of its tiles in the order of :class:`~segsr_arch.preparation.tiling.Tiling`; empty for one of a
            single colour. None where images are not cut.
    """

    path: str
    file_digest: str
    pixel_digest: str
    size: tuple[int, int]
    notes: tuple[tuple[str, str], ...]
    rules: int = RULES
    tiles: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Give it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Inspection":
        """Read what :meth:`as_record` gave, after a way through JSON."""
        kept = {"rules": 0, "tiles": (), **record}
        kept["notes"] = tuple(map(tuple, kept["notes"]))
        return cls(**{**kept, **{key: tuple(kept[key]) for key in ("size", "tiles")}})
