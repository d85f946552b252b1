"""What ``segsr prepare`` knows of a data set; help, checks, messages and documentation are made from it."""

from dataclasses import dataclass

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

    def __str__(self) -> str:
        if self.test >= EVERY_IMAGE:
            return "all images are for test"
        return (
            f"in each class {_amount(self.test)} for test, then {_amount(self.val)} for validation, by a seeded rule "
            f"over the sorted names"
        )


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
        innermost_class: Whether an image's class is the one folder that it lies in, and images without are none of it;
            otherwise the class is the whole path, and may be empty.
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
    innermost_class: bool = True
    resolution: str = ""
    page: str = ""
    licence: str = ""
    paper: str = ""

    @property
    def help(self) -> str:
        """What it is, on one line."""
        return f"{self.title} ({self.content})" if self.archive else self.content

    @property
    def description(self) -> str:
        """What the command takes, and how the images are split."""
        source = f"{self.archive} or its folder" if self.archive else "a folder or a .zip"
        if self.split is None:
            split = "the lists of this project"
            split += f", {' / '.join(map(str, self.listed))} images" if self.listed else ""
        else:
            split = f"its folders train, val and test (usual spellings); without them, {self.split}"
        return f"{self.help}. SRC is {source}. Split: {split}."

    @property
    def expected(self) -> str:
        """What the source is to hold, for messages."""
        return f"{self.archive}, or its folder with {self.layout}" if self.archive else self.layout

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
