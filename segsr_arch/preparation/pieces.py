"""What becomes one image of the prepared data set: an image of the source as a whole, or a tile of it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from segsr_arch.preparation.inspection import Inspection
from segsr_arch.preparation.journal import Key
from segsr_arch.preparation.problems import Kind, ProblemList
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.preparation.splits import PRECEDENCE
from segsr_arch.preparation.tiling import Tiling, tile_name
from segsr_arch.windows import Window


@dataclass(frozen=True, kw_only=True)
class Piece:
    """An image of the source, or a tile of it.

    Attributes:
        image: The image of the source.
        window: The tile's pixels in it; ``None`` for the whole image.
        name: File name in the prepared folders, without ending, and LMDB key.
        pixel_digest: Digest of its RGB pixels.
        size: Height and width in pixels.
    """

    image: SourceImage
    window: Window | None
    name: str
    pixel_digest: str
    size: tuple[int, int]

    @property
    def split(self) -> str:
        """``train``, ``val`` or ``test``: that of its image, whose tiles are never divided."""
        return self.image.split

    @property
    def place(self) -> str:
        """Where it is in the source, for messages."""
        if self.window is None:
            return self.image.path
        return f"{self.image.path} (tile at row {self.window.top}, column {self.window.left})"

    def key(self, scale: int) -> Key:
        """Under which key of the journal stands what was made of it at a scale."""
        return "made", self.split, str(scale), self.name


def pieces_of(image: SourceImage, inspection: Inspection, tiling: Tiling | None, problems: ProblemList) -> list[Piece]:
    """List the pieces of an image.

    Args:
        image: With its split and name.
        inspection: What was found of it; none are made of one that cannot be used.
        tiling: How it is cut; ``None`` for the whole image.
        problems: Gets how many tiles are of one colour, which are left out: nothing can be learned or measured there.
    """
    if not inspection.pixel_digest:
        return []
    if tiling is None:
        digest, size = inspection.pixel_digest, inspection.size
        return [Piece(image=image, window=None, name=image.name, pixel_digest=digest, size=size)]
    windows = tiling.windows(*inspection.size)
    pieces = [
        Piece(
            image=image,
            window=window,
            name=tile_name(image.name, window),
            pixel_digest=digest,
            size=(window.height, window.width),
        )
        for window, digest in zip(windows, inspection.tiles, strict=True)
        if digest
    ]
    if len(pieces) < len(windows):
        done = f"{len(windows) - len(pieces)} of its {len(windows)} tiles are of one colour alone; left out"
        problems.add(image.path, Kind.FLAT, done)
    return pieces


def keep_identical_together(pieces: Sequence[Piece], problems: ProblemList) -> tuple[list[Piece], list[list[str]]]:
    """Drop pieces whose twin is in another split that has precedence; list the twins that stay in one split.

    Args:
        pieces: All that could be used.
        problems: Gets those that are dropped.

    Returns:
        Those that are kept; groups of identical ones among them, images by their names on lists and tiles by their own.
    """
    twins = defaultdict(list)
    for piece in pieces:
        twins[piece.pixel_digest].append(piece)
    dropped, together = set(), []
    for same in twins.values():
        keeper = min(same, key=lambda piece: PRECEDENCE.index(piece.split))
        staying = [
            piece.image.listed if piece.window is None else piece.name for piece in same if piece.split == keeper.split
        ]
        if len(staying) > 1:
            together.append(staying)
        for piece in same:
            if piece.split != keeper.split:
                dropped.add(piece.name)
                done = f"the same pixels as {keeper.place}, which stays in {keeper.split}; left out of {piece.split}"
                problems.add(piece.place, Kind.DUPLICATE, done)
    return [piece for piece in pieces if piece.name not in dropped], together


def scales_of(
    pieces: Sequence[Piece], scales: Sequence[int], *, patch: int, tiling: Tiling | None, problems: ProblemList
) -> list[list[int]]:
    """The scales at which each piece is large enough: for one patch in training, for one LR pixel elsewhere.

    A tile is used in training only if it is whole, so that images of a batch are of one size.

    Args:
        pieces: All of one data set.
        scales: All scales.
        patch: Side of the LR training patch in pixels.
        tiling: How images were cut.
        problems: Gets images that are too small, each once for all of its tiles, which are of one size.

    Returns:
        For each piece, the scales.
    """
    found = []
    said: set[str] = set()
    for piece in pieces:
        training = piece.split == "train"
        least = {scale: (patch if training else 1) * scale for scale in scales}
        if training and tiling is not None:
            least = {scale: max(needed, tiling.size) for scale, needed in least.items()}
        too_large = [scale for scale in scales if min(piece.size) < least[scale]]
        if too_large and piece.image.path not in said:
            said.add(piece.image.path)
            problems.add(piece.image.path, Kind.SMALL, _too_small(piece, too_large, least))
        found.append([scale for scale in scales if scale not in too_large])
    return found


def _too_small(piece: Piece, scales: Sequence[int], least: dict[int, int]) -> str:
    tiles = "" if piece.window is None else "tiles of "
    return (
        f"{tiles}{piece.size[0]} x {piece.size[1]} pixels, and {piece.split} at x{max(scales)} needs "
        f"{least[max(scales)]}; left out of {piece.split} at {', '.join(f'x{scale}' for scale in scales)}"
    )
