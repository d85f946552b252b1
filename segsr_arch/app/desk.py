"""What one visitor does at the page, apart from how the page looks: give an image, have it enlarged, look at it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsr_arch.app.facts import facts_of
from segsr_arch.app.jobs import Made, StoppedError, Watch, Wish, carry_out, own_words
from segsr_arch.app.networks import OfferedNetwork
from segsr_arch.app.pictures import Comparison, View, compare, map_pictures, spread_picture
from segsr_arch.app.visits import Upload, Visits
from segsr_arch.app.words import words_of_units
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.known_names import nearest_hint


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a visitor is shown of what was made.

    Attributes:
        comparison: The whole image before and after.
        facts: Rows of a table: a name, and what is to be said of it.
        downloads: Files for the visitor.
        samples: How many outputs there are to look at.
        spread: Picture of how far they lie apart, and its words; ``None`` if there is one alone.
        maps: Picture and words of each guidance map; empty for networks without.
        warning: What to know before reading the words of the maps.
    """

    comparison: Comparison
    facts: list[tuple[str, str]]
    downloads: tuple[Path, ...]
    samples: int
    spread: tuple[Path, str] | None
    maps: list[tuple[Path, str]]
    warning: str | None


class Desk:
    """What one visitor has before them.

    Args:
        key: What tells the visitor from others.
        visits: All visitors.
        offered: The networks that there are.
        most_megapixels: Largest size that is taken.
    """

    def __init__(
        self, key: str, *, visits: Visits, offered: Mapping[str, OfferedNetwork], most_megapixels: float
    ) -> None:
        self._visit, self._offered, self._most = visits.of(key), offered, most_megapixels
        self._made: Made | None = None
        self._centre: tuple[float, float] | None = None
        self._whole: Comparison | None = None

    def take(self, given: str) -> Upload:
        """Take an image; what was there before goes.

        Raises:
            DataError: If it is none that is taken here.
            SaveError: If it cannot be kept.
        """
        self.clear()
        return self._visit.take(given, most_megapixels=self._most)

    def clear(self) -> None:
        """Let everything go."""
        self._visit.drop()
        self._made = self._whole = self._centre = None

    def stop(self) -> None:
        """Have what is being made stopped; the image stays."""
        if self._visit.upload is not None:
            self._visit.upload.stop.set()

    def enlarge(self, network: str, wish: Wish, *, watch: Watch) -> Result:
        """Enlarge the image that was given.

        Args:
            network: Name of the network.
            wish: How.
            watch: Is told of the progress.

        Raises:
            ConfigError: If there is no such network, or it cannot do that.
            DataError: If no image was given, or it cannot be read.
            StoppedError: If the visitor stops it.
        """
        if network not in self._offered:
            raise ConfigError(f"{network}: is no network that this page has{nearest_hint(network, self._offered)}")
        upload = self._visit.upload
        if upload is None:
            raise DataError("There is no image yet; drop one first.")
        made = carry_out(upload, self._offered[network], wish, watch=watch)
        with own_words(upload):
            if self._visit.upload is not upload:
                raise StoppedError
            self._made, self._centre = made, None  # the files of the one before are gone
            watch(1.0, "drawing pictures")
            words, warning = words_of_units(made) if made.maps is not None else ([], None)
            result = Result(
                comparison=compare(made, View()),
                facts=facts_of(made),
                downloads=made.downloads,
                samples=len(made.outputs),
                spread=spread_picture(made),
                maps=map_pictures(made, words),
                warning=warning,
            )
            if self._visit.upload is not upload:
                raise StoppedError
        self._whole = result.comparison
        return result

    def look(self, *, zoom: int | None, side: str, sample: int = 0) -> Comparison | None:
        """Look at what was made.

        Args:
            zoom: As for :class:`~segsr_arch.app.pictures.View`.
            side: As for :func:`~segsr_arch.app.pictures.compare`.
            sample: Which output, from 0; the last one if there are fewer.

        Returns:
            The pictures; ``None`` if nothing was made yet.
        """
        if self._made is None:
            return None
        sample = min(sample, len(self._made.outputs) - 1)
        return compare(self._made, View(zoom=zoom, centre=self._centre), side=side, sample=sample)

    def aim(self, column: float, row: float) -> None:
        """Choose the part that is looked at by a place in the picture of the whole image, in its pixels."""
        if self._whole is not None:
            height, width = self._whole.shape
            self._centre = (row / height, column / width)


class Desks:
    """The desks of all visitors.

    Args:
        visits: All visitors.
        offered: The networks that there are.
        most_megapixels: Largest size that is taken.
    """

    def __init__(self, visits: Visits, offered: Mapping[str, OfferedNetwork], *, most_megapixels: float) -> None:
        self.visits, self.offered, self.most_megapixels = visits, offered, most_megapixels
        self._by_key: dict[str, Desk] = {}
        self._lock = threading.Lock()

    def of(self, key: str) -> Desk:
        """The desk of a visitor."""
        with self._lock:
            if key not in self._by_key:
                self._by_key[key] = Desk(
                    key, visits=self.visits, offered=self.offered, most_megapixels=self.most_megapixels
                )
            return self._by_key[key]

    def leave(self, key: str) -> None:
        """A visitor leaves: all that was theirs goes."""
        with self._lock:
            self._by_key.pop(key, None)
        self.visits.end(key)
