"""A tiled TIFF that grows tile by tile and can be cut back to any of its earlier lengths.

Tiles are only ever appended. The directory that says where they lie comes last, so that nothing which was written is
ever moved or written anew, and a file that was cut back and goes on is the same file, byte for byte.
"""

import itertools
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import imagecodecs
import numpy as np

from segsr_arch.scenes.output.metadata import SceneMetadata
from segsr_arch.scenes.output.raster_spec import MaskSource
from segsr_arch.scenes.output.tiff_directory import HEADER_SIZE, TileTable, directories, header, image_tags, mask_tags
from segsr_arch.scenes.output.tile_coding import TileCoding
from segsr_arch.windows import Window

_CHUNK = 1 << 22


class TiledFile:
    """The file; not thread-safe.

    Attributes:
        path: Where it lies.
        size: Its length in bytes, without what :meth:`complete` has added.
        table: Where its tiles lie.
    """

    def __init__(self, path: Path, *, height: int, width: int, coding: TileCoding) -> None:
        """Open a file, or make it; what is in it counts from :meth:`restore` on.

        Raises:
            OSError: If the operating system refuses.
        """
        self.path = path
        self.table = TileTable.empty(height=height, width=width, block=coding.block)
        self._coding = coding
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)  # noqa: SIM115
        self.size = HEADER_SIZE

    def checksums(self, lengths: Sequence[int]) -> Iterator[int]:
        """Checksums of what lies behind the header, piece by piece.

        Args:
            lengths: Bytes of each piece.

        Yields:
            CRC-32 of each. It ends early where the file ends before a piece.
        """
        self._file.seek(HEADER_SIZE)
        for length in lengths:
            checksum, left = 0, length
            while left and (data := self._file.read(min(left, _CHUNK))):
                checksum, left = zlib.crc32(data, checksum), left - len(data)
            if left:
                return
            yield checksum

    def restore(self, steps: Sequence[Sequence[Sequence[int]]]) -> None:
        """Cut the file back to the tiles that are known, and go on from there.

        Args:
            steps: Of each step that was done, row, column and length of its tiles, in the order of the file.

        Raises:
            OSError: If the operating system refuses.
        """
        self.size = HEADER_SIZE
        for row, column, length in (tile for tiles in steps for tile in tiles):
            self.table.put(row=row, column=column, offset=self.size, length=length)
            self.size += length
        self.cut_back()

    def cut_back(self) -> None:
        """Remove what is not tiles: half of a step, or directories.

        Raises:
            OSError: If the operating system refuses.
        """
        self._file.truncate(self.size)
        self._write(0, header(0))

    def append(self, tiles: Sequence[tuple[int, int, bytes]]) -> int:
        """Add encoded tiles.

        Args:
            tiles: Row and column of each, and its bytes.

        Returns:
            CRC-32 of what was added.

        Raises:
            OSError: If the operating system refuses; :meth:`cut_back` removes what was written of them.
        """
        data = b"".join(encoded for _, _, encoded in tiles)
        self._write(self.size, data)
        for row, column, encoded in tiles:
            self.table.put(row=row, column=column, offset=self.size, length=len(encoded))
            self.size += len(encoded)
        return zlib.crc32(data)

    def sync(self) -> None:
        """Have the disk hold everything.

        Raises:
            OSError: If the operating system refuses.
        """
        os.fsync(self._file.fileno())

    def complete(self, said: SceneMetadata, *, mask: MaskSource | None) -> None:
        """Make it a TIFF: behind the tiles those of the mask, if there is one, and the directories.

        It can be done again, with the same result.

        Args:
            said: What the raster says about its pixels; of that the colours of bands, and XMP.
            mask: Which pixels are valid; it is asked for window by window.

        Raises:
            OSError: If the operating system refuses.
        """
        self.cut_back()
        image = image_tags(
            self.table,
            self._coding,
            rgb=said.is_rgb,
            alpha=said.alpha,
            premultiplied=said.premultiplied,
            xmp=said.xmp,
        )
        images, end = [image], self.size
        if mask is not None:
            table, end = self._append_mask(mask)
            images.append(mask_tags(table))
        end += self._write(end, b"\0" * (-end % 8))
        self._write(end, directories(images, at=end))
        self._write(0, header(end))
        self.sync()

    def _append_mask(self, mask: MaskSource) -> tuple[TileTable, int]:
        """Write the tiles of a mask; where they lie, and where the last one ends."""
        block = self._coding.block
        table = TileTable.empty(height=self.table.height, width=self.table.width, block=block)
        end = self.size
        for row, column in itertools.product(range(table.rows), range(table.columns)):
            top, left = row * block, column * block
            window = Window(
                top=top, left=left, height=min(block, table.height - top), width=min(block, table.width - left)
            )
            valid = np.zeros((block, block), bool)
            valid[: window.height, : window.width] = mask(window)
            tile = bytes(imagecodecs.deflate_encode(np.packbits(valid, axis=1).tobytes(), 6, raw=False))
            table.put(row=row, column=column, offset=end, length=len(tile))
            end += self._write(end, tile)
        return table, end

    def _write(self, at: int, data: bytes) -> int:
        """Write everything: a disk that is almost full takes a part without saying so."""
        self._file.seek(at)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        return len(data)

    def close(self) -> None:
        """Close the file; it may be called again."""
        self._file.close()
