"""What ``segsr prepare`` knows of a data set; help, checks, messages and documentation are made from it."""

from dataclasses import dataclass
from typing import Literal

from segsr_arch.errors import ConfigError

EVERY_IMAGE = 1_000_000
"""An amount that no class has: all of its images."""


@dataclass(frozen=True, kw_only=True)
class SeededSplit:
    """Amounts of the rule that splits where neither lists nor folders do.

    Attributes:
        val: Images a class for validation, a fraction if below 1.
        test: Images a class for test, a fraction if below 1.
    """

    val: float
    test: float = 0.2

    def words(self, *, by_class: bool) -> str:
        """Say the rule; it goes class by class where there are classes."""
        if self.test >= EVERY_IMAGE:
            return "all images are for test"
        where = "in each class " if by_class else ""
        first, then = _amount(self.test), _amount(self.val)
        return f"{where}{first} for test, then {then} for validation, by a seeded rule over the sorted names"


def amount_in_options(amount: float) -> str:
    """Say an amount as a command line has it."""
    return "all" if amount >= EVERY_IMAGE else f"{amount:g}"


def _amount(amount: float) -> str:
    return {0.1: "a tenth", 0.2: "a fifth"}.get(amount) or (f"{amount:.0%}" if amount < 1 else f"{amount:g} images")


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set before its preparation.

    Attributes:
        name: What the command calls it, and its folder usually.
        title: What others call it.
        content: Classes, number, format and size of its images.
        archive: The file that is fetched; ``None`` for images of one's own.
        layout: Where the images lie in it, for people.
        split: The rule that splits it; ``None`` where this package brings lists (``datasets/splits``).
        listed: How many images these lists have for training, validation and test.
        classes: What an image's class is: the one folder that it lies in (``innermost``; images without are none of the
            data set), the whole path, which may be empty (``path``), or nothing (``none``; folders tell the split
            alone, wherever in the path they stand).
        beside: Endings of files, in lower case, that lie beside the images and are of no use here.
        parts: Whether it comes as several archives, which are read where they lie in a folder.
        tile: Side of the tiles into which images are cut unless another is asked for; ``None`` for whole images.
        resolution: Side of a pixel on the ground.
        page: Address of the page where it can be had.
        licence: Under which terms.
        paper: The publication to cite.
    """

    name: str
    title: str
    content: str
    archive: str | None
    layout: str
    split: SeededSplit | None
    listed: tuple[int, int, int] | None = None
    classes: Literal["innermost", "path", "none"] = "innermost"
    beside: tuple[str, ...] = ()
    parts: bool = False
    tile: int | None = None
    resolution: str = ""
    page: str = ""
    licence: str = ""
    paper: str = ""

    @property
    def help(self) -> str:
        """What it is, on one line."""
        return f"{self.title} ({self.content})" if self.archive else self.content

    @property
    def other_folders(self) -> str:
        """What its folders are that tell no split."""
        return "folders without a meaning" if self.classes == "none" else "classes"

    @property
    def description(self) -> str:
        """What the command takes, and how the images are split."""
        if self.split is None:
            split = "the lists of this project"
            split += f", {' / '.join(map(str, self.listed))} images" if self.listed else ""
        else:
            rule = self.split.words(by_class=self.classes != "none")
            split = f"its folders train, val and test (usual spellings); without them, {rule}"
        tiles = f" Images are cut into tiles of {self.tile} x {self.tile}." if self.tile else ""
        return f"{self.help}. SRC is {self.source}. Split: {split}.{tiles}"

    @property
    def source(self) -> str:
        """What the command takes, for people."""
        if self.archive is None:
            return "a folder or a .zip"
        if self.parts:
            return f"the folder with {self.archive}, extracted or as they are"
        if not self.archive.endswith(".zip"):
            return f"the folder that {self.archive} was extracted to, or a .zip of it"
        return f"{self.archive} or its folder"

    @property
    def expected(self) -> str:
        """What the source is to hold, for messages."""
        if self.archive is None:
            return self.layout
        return f"{self.source}, with {self.layout}"

    @property
    def origin(self) -> str:
        """Where it can be had, as a row of a table in Markdown."""
        content = f"{self.content}, {self.resolution}"
        return f"| {self.title} | {content} | `{self.archive}` from <{self.page}> | {self.licence} | {self.paper} |"


REGISTERED: dict[str, DataSet] = {}
"""By name, what was registered so far; :mod:`segsr_arch.preparation.data_sets` has all that come with this package."""


def register(data_set: DataSet) -> DataSet:
    """Let ``segsr prepare`` know a data set, and return it.

    Raises:
        ConfigError: If another one has its name.
    """
    if REGISTERED.setdefault(data_set.name, data_set) != data_set:
        raise ConfigError(f"two data sets are called {data_set.name}; rename one")
    return data_set
