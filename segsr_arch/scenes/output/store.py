"""What a job writes: rasters that grow step by step, hidden beside their destination until they are whole.

A job can be killed at any moment. Started again it goes on behind its last whole step, and what it writes is the same
file, byte for byte, as if it had never been killed.
"""

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from segsr_arch.errors import ConfigError, DataError, SaveError
from segsr_arch.files.atomic import hidden_name, remove_left_over, sync_folder
from segsr_arch.files.locking import locked
from segsr_arch.running.progress import progress
from segsr_arch.scenes.output.aside import aside_of
from segsr_arch.scenes.output.block import Block
from segsr_arch.scenes.output.formats import check_destination, finished_files
from segsr_arch.scenes.output.journal import Journal, as_json, differences
from segsr_arch.scenes.output.raster_spec import RasterFiles, RasterSpec
from segsr_arch.scenes.output.refusals import refusals_told
from segsr_arch.scenes.output.sidecar import Sidecar
from segsr_arch.scenes.output.tiled_file import TiledFile

_SYNC_SECONDS = 5.0
"""How much work a power cut may cost; a process that is killed loses no whole step."""
_MOST_ENCODERS = 4

logger = logging.getLogger(__name__)


class SceneStore:
    """The rasters of one job; a context manager, within which nobody else writes there.

    Attributes:
        dst: The main raster.
        done: Whether ``dst`` was there already, made by the same job: there is nothing to do.
        notes: What was told to :meth:`commit` about the steps that are done, in their order.
    """

    def __init__(
        self,
        dst: str | os.PathLike[str],
        rasters: Sequence[RasterSpec],
        *,
        identity: Mapping[str, Any],
        overwrite: bool = False,
        keep_same: bool = False,
        sources: Sequence[str] = (),
        shown: bool = False,
    ) -> None:
        """Describe what is to be written; nothing is touched before the ``with`` block.

        Args:
            dst: The main raster; its ending says its format.
            rasters: What is written, the main one first.
            identity: What tells the job from others, for JSON: whatever changes the result.
            overwrite: Whether a raster that is there, or an unfinished job of another identity, is replaced.
            keep_same: Whether a raster that the same job has made stays even so.
            sources: What the job reads, as GDAL opens it.
            shown: Whether it is shown on stderr how much of what was done is checked.

        Raises:
            ConfigError: If the destination is not one.
            DataError: If a source cannot be read.
        """
        self.dst = Path(os.path.abspath(dst))
        self._specs = tuple(rasters)
        self._files = [RasterFiles.of(self.dst, spec.suffix) for spec in rasters]
        for files, spec in zip(self._files, rasters, strict=True):
            check_destination(files.final, spec, sources=sources)
        output = {spec.name: spec.identity for spec in rasters}
        self._sidecar = Sidecar(self.dst, {**identity, "output": output})
        self._overwrite, self._keep_same, self._shown = overwrite, keep_same, shown
        self._journal_path = self.dst.with_name(hidden_name(self.dst.name, ".journal"))
        self.done = False
        self.notes: list[dict[str, Any]] = []

    def __enter__(self) -> "SceneStore":
        """Take the destination, and find out what is done.

        Raises:
            InUseError: If another process writes there.
            ConfigError: If something is there that is not to be replaced; the message says what differs.
            DataError: If the record of an unfinished job is damaged.
            SaveError: If the operating system refuses.
        """
        with contextlib.ExitStack() as stack, refusals_told(self.dst):
            for files in self._files:
                stack.enter_context(locked(files.final))
            self._find(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with refusals_told(self.dst):
            self._stack.close()

    @property
    def report(self) -> dict[str, Any]:
        """What was told to :meth:`finish` by whoever made the raster that is there."""
        return self._sidecar.report

    def commit(self, blocks: Sequence[Sequence[Block]], note: Mapping[str, Any]) -> None:
        """Add a step. Once this returns it outlives the process, and the machine's power some seconds later.

        Args:
            blocks: Of each raster the blocks that are complete, each block once in a job.
            note: About the step, for JSON.

        Raises:
            SaveError: If the operating system refuses; then the step is not done, and those before are kept.
        """
        with refusals_told(self.dst):
            added, checksums = [], []
            for spec, tiled, complete in zip(self._specs, self._tiled, blocks, strict=True):
                encoded = self._pool.map(spec.coding.encode, [block.values for block in complete])
                tiles = [(block.row, block.column, tile) for block, tile in zip(complete, encoded, strict=True)]
                checksums.append(tiled.append(tiles))
                added.append([(row, column, len(tile)) for row, column, tile in tiles])
            self._journal.append({"tiles": added, "crc": checksums, "note": note})
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                self._sync()
        self.notes.append(as_json(note))

    def finish(self, report: Mapping[str, Any]) -> None:
        """Make the rasters whole and give them their names, a raster that was there giving way.

        Args:
            report: What was found out, for the small file beside the raster.

        Raises:
            SaveError: If the operating system refuses, or blocks are missing; the steps are kept.
        """
        with refusals_told(self.dst):
            self._sync()
            named: list[tuple[Path, Path]] = []
            for spec, files, tiled in zip(self._specs, self._files, self._tiled, strict=True):
                if missing := tiled.table.missing():
                    raise SaveError(f"{files.final}: {missing} of its blocks were never given; it is not made.")
                tiled.complete(spec.said, mask=spec.mask)
                named[:0] = finished_files(files, spec)
            self._sidecar.write_hidden(report)
            named.insert(0, (self._sidecar.hidden, self._sidecar.path))
            # From here on the rasters are whole: whoever comes next gives them their names.
            names = [(hidden.name, final.name) for hidden, final in named]
            self._journal.append({"named": names})
            self._journal.sync()
            self._publish(names)

    def _find(self, stack: contextlib.ExitStack) -> None:
        """See what is there, and begin, go on, or have nothing to do."""
        asides = [aside_of(raster) for files in self._files for raster in (files.tiles, files.whole)]
        for path in (self._journal_path, self._sidecar.hidden, *asides):
            remove_left_over(path)
        journal = self._open_journal(stack)
        differs = [] if journal is None else differences(journal.identity, self._sidecar.identity)
        if journal is not None and differs and self._overwrite:
            self._clear(journal.identity)
            journal, differs = None, []
        elif journal is not None and not differs and (named := journal.named):
            self._publish(named)
            return
        self.check_free()
        if (self._keep_same or not self._overwrite) and self._is_made():
            self.done = True
            return
        if differs:
            raise ConfigError(
                f"{self.dst}: an unfinished run is there whose settings were others ({'; '.join(differs)}). Start it "
                f"with the same settings, and it goes on; --overwrite starts from the beginning."
            )
        self._begin(stack, journal)

    def check_free(self) -> None:
        """See that what is there, if it is not to be replaced, is what this job has made.

        Raises:
            ConfigError: If it is not; the message says what differs.
        """
        if self._overwrite:
            return
        self._sidecar.check()
        others = [files.final for files in self._files[1:] if os.path.lexists(files.final)]
        if others and not os.path.lexists(self.dst):
            raise ConfigError(f"{others[0]} exists and is another output's; choose another name, or give --overwrite.")

    def _is_made(self) -> bool:
        """Whether this very job has made what is there, and all of it is there still."""
        if not os.path.lexists(self.dst) or self._sidecar.differs:
            return False
        lost = [files.final for files in self._files if not os.path.lexists(files.final)]
        if lost:
            logger.warning("%s is not there any more; it is made again, and %s with it.", lost[0], self.dst)
        return not lost

    def _open_journal(self, stack: contextlib.ExitStack) -> Journal | None:
        try:
            journal = Journal(self._journal_path)
        except FileNotFoundError:
            return None
        except DataError:
            if not self._overwrite:
                raise
            return None
        stack.callback(journal.close)
        return journal

    def _begin(self, stack: contextlib.ExitStack, journal: Journal | None) -> None:
        """Open everything for the next step."""
        self._is_known = journal is None  # of one that is there it takes a while to find out what was done
        stack.callback(self._remove_if_nothing_was_done)
        if journal is None:
            self._clear({})
            journal = stack.enter_context(
                contextlib.closing(Journal.create(self._journal_path, self._sidecar.identity))
            )
        self._journal = journal
        self._tiled = []
        for spec, files in zip(self._specs, self._files, strict=True):
            tiled = TiledFile(files.tiles, height=spec.height, width=spec.width, coding=spec.coding)
            self._tiled.append(stack.enter_context(contextlib.closing(tiled)))
        self._resume()
        self._pool = stack.enter_context(ThreadPoolExecutor(min(_MOST_ENCODERS, os.cpu_count() or 1)))
        self._synced = time.monotonic()

    def _resume(self) -> None:
        """Go back to the last step up to which everything is as it was written."""
        contents = [record.content for record in self._journal.records]
        steps = len(contents)
        lengths = [[sum(tile[-1] for tile in tiles) for tiles in content["tiles"]] for content in contents]
        size, shown = sum(map(sum, lengths)), self._shown and steps > 0
        with progress(total=size, unit="B", what="check", abbreviated=True, keep=False, shown=shown) as bar:
            for position, tiled in enumerate(self._tiled):
                same = []
                of_steps = [length[position] for length in lengths]
                for checksum, content, length in zip(tiled.checksums(of_steps), contents, of_steps, strict=False):
                    same.append(checksum == content["crc"][position])
                    bar.update(length)
                steps = min(steps, (*same, False).index(False))
        if steps < len(contents):
            logger.warning(
                "%s: %d of %d steps that were done are damaged or lost; they are done again.",
                self.dst,
                len(contents) - steps,
                len(contents),
            )
        self._journal.keep(steps)
        for position, tiled in enumerate(self._tiled):
            tiled.restore([content["tiles"][position] for content in contents[:steps]])
        self.notes = [content["note"] for content in contents[:steps]]
        self._is_known = True

    def _sync(self) -> None:
        for tiled in self._tiled:
            tiled.sync()
        self._journal.sync()
        self._synced = time.monotonic()

    def _publish(self, named: Sequence[Sequence[str]]) -> None:
        """Give whole files their names, the main raster last; it can be done again where it was left."""
        folder, finals = self.dst.parent, {final for _, final in named}
        made_before = self._sidecar.suffixes if os.path.lexists(self.dst) else ()
        others = (RasterFiles.of(self.dst, suffix) for suffix in made_before)
        for path in itertools.chain.from_iterable(
            (files.final, *files.companions) for files in (*self._files, *others)
        ):
            if path != self.dst and path.name not in finals:  # of the raster that was there
                path.unlink(missing_ok=True)
        for hidden, final in named:
            with contextlib.suppress(FileNotFoundError):  # it has its name
                os.replace(folder / hidden, folder / final)
        sync_folder(folder)
        self._clear({})
        self.done = True

    def _clear(self, identity: Mapping[str, Any]) -> None:
        """Remove what is hidden of this job, and of one of another identity; its journal last."""
        suffixes = {output["suffix"] for output in identity.get("output", {}).values()}
        for files in (*self._files, *(RasterFiles.of(self.dst, suffix) for suffix in sorted(suffixes))):
            files.remove_hidden()
        self._sidecar.hidden.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def _remove_if_nothing_was_done(self) -> None:
        if self._is_known and not self.notes and not self.done:
            with contextlib.suppress(OSError):
                self._clear({})
