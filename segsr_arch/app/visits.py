"""Where the files of visitors lie: each has a folder that nobody else is told of, and that goes when they leave."""

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from segsr_arch.errors import DataError, SaveError
from segsr_arch.files.atomic import partial_folder, remove_left_over
from segsr_arch.scenes.source.rasters import check_whole, open_raster

NAME = "segsr-app"


class Upload:
    """An image that a visitor has given, and the folder of what is made of it.

    Args:
        source: The image.
        folder: The folder.
        received: The same file as it arrived.

    Attributes:
        dropped: Set when it is gone, and nobody waits for what is made of it.
        stop: Set while what is being made of it is not wanted; work on it ends at the next tile.
    """

    def __init__(self, source: Path, folder: Path, *, received: Path) -> None:
        self.source, self.folder = source, folder
        self._received = received
        self.dropped, self.stop = threading.Event(), threading.Event()

    def drop(self) -> None:
        """Remove everything; work that still runs ends by itself."""
        self.dropped.set()
        self.stop.set()
        with contextlib.suppress(OSError):  # whoever has given the same content since has another file of that name
            if self._received.samefile(self.source):
                self._received.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def named(self, text: str) -> str:
        """A sentence for whoever has given the image, who knows it by its name: without the folders of this machine."""
        for folder in (self.source.parent, self.folder):
            text = text.replace(f"{folder}{os.sep}", "")
        return text if "\n" in text else f"{text.rstrip('.')}."


class Visit:
    """One visitor.

    Args:
        folder: Folder that is theirs; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True)
        self.upload: Upload | None = None

    def take(self, given: str | os.PathLike[str], *, most_megapixels: float) -> Upload:
        """Take an image in the place of the one before, which goes with all that was made of it.

        Args:
            given: File that the page has received. It goes with the upload, unless another of that name has come.
            most_megapixels: Largest size that is taken.

        Raises:
            DataError: If it is no raster, or too large; then it is not kept.
            SaveError: If it cannot be kept.
        """
        self.drop()
        folder = self._folder / secrets.token_hex(4)
        upload = Upload(folder / "given" / Path(given).name, folder, received=Path(given))
        try:
            upload.source.parent.mkdir(parents=True)
            _link(given, upload.source)
            _check_size(upload, most_megapixels)
        except OSError as error:
            upload.drop()
            raise SaveError(f"{upload.source.name}: cannot be kept ({error.strerror or error}).") from error
        except DataError as error:
            upload.drop()
            raise DataError(upload.named(str(error))) from error
        self.upload = upload
        return upload

    def drop(self) -> None:
        """Drop what was given, and all that was made of it."""
        if self.upload is not None:
            self.upload.drop()
            self.upload = None


def _link(given: str | os.PathLike[str], path: Path) -> None:
    """Have a file a second time, where the file system can without copying it."""
    try:
        os.link(given, path)
    except FileNotFoundError:
        raise DataError(f"{path.name}: has not arrived; give it again") from None
    except OSError:
        shutil.copyfile(given, path)


def _check_size(upload: Upload, most_megapixels: float) -> None:
    path = str(upload.source)
    with open_raster(path) as dataset:
        check_whole(path, dataset)
        height, width = dataset.shape
    megapixels = height * width / 1e6
    if megapixels > most_megapixels:
        raise DataError(
            f"{path}: has {width} x {height} pixels, {megapixels:.3g} megapixels; this page takes "
            f"{most_megapixels:.3g} at most. Whoever has started it can raise that (--max-megapixels); segsr upscale "
            f"on the command line takes any size"
        )


class Visits:
    """All visitors; :func:`opened_visits` makes it.

    Args:
        folder: Where their folders are.

    Attributes:
        received: Folder for files as they arrive.
        kept: Folder of what visitors have and are shown.
    """

    def __init__(self, folder: Path) -> None:
        self.received, self.kept = folder / "received", folder / "kept"
        for each in (self.received, self.kept):
            each.mkdir()
        self._by_key: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def of(self, key: str) -> Visit:
        """The visit of this key, which begins if there is none."""
        with self._lock:
            if key not in self._by_key:
                self._by_key[key] = Visit(self.kept / secrets.token_hex(16))
            return self._by_key[key]

    def end(self, key: str) -> None:
        """End a visit: its files go, and its work stops. Ending it twice does no harm."""
        with self._lock:
            visit = self._by_key.pop(key, None)
        if visit is not None:
            visit.drop()
            shutil.rmtree(visit._folder, ignore_errors=True)

    def end_all(self) -> None:
        """End every visit."""
        for key in list(self._by_key):
            self.end(key)


@contextlib.contextmanager
def opened_visits() -> Iterator[Visits]:
    """Make the folder of all visitors, below the folder for temporary files, which goes when the context ends.

    What a process has left that was killed goes as well. Nobody else on this machine can look into it.

    Raises:
        SaveError: If it cannot be made.
    """
    wanted = Path(tempfile.gettempdir(), NAME)
    remove_left_over(wanted)
    with partial_folder(wanted) as folder:
        folder.chmod(0o700)  # before anything is in it
        visits = Visits(folder)
        try:
            yield visits
        finally:
            visits.end_all()
