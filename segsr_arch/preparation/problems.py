"""What can be wrong with a source's files, and the list in which preparation keeps what it did about each."""

from dataclasses import asdict, dataclass
from enum import Enum

from segsr_arch.errors import DataError
from segsr_arch.images.errors import Finding


class Kind(str, Enum):
    """What can be wrong beside the images themselves, by the words that the summary prints."""

    STRAY = "stray file"
    NOT_FOLLOWED = "link or archive member that is not read"
    UNLISTED = "not on any split list"
    SAME_NAME = "two images with one name"
    RENAMED = "name changed"
    DUPLICATE = "identical image in two splits"
    SMALL = "smaller than the patch"
    FLAT = "tiles of one colour"


@dataclass(frozen=True)
class Problem:
    """One thing found in the source.

    Attributes:
        file: The file it concerns, relative to the source.
        kind: Which kind it is.
        done: What was found and what was done about it.
    """

    file: str
    kind: Finding | Kind
    done: str

    def as_record(self) -> dict[str, str]:
        """Give it as plain strings, for the manifest."""
        return {**asdict(self), "kind": self.kind.value}


class ProblemList:
    """Collects problems.

    Args:
        strict: Stop at the first one instead.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.items: list[Problem] = []

    def add(self, file: str, kind: Finding | Kind, done: str) -> None:
        """Note one problem.

        Raises:
            DataError: If strict.
        """
        if self.strict:
            raise DataError(f"{file}: {kind.value}: {done} (without --strict the preparation would go on)")
        self.items.append(Problem(file=file, kind=kind, done=done))

    def summary(self, *, all_in: str | None = None, examples: int = 3) -> list[str]:
        """One line a kind: how many, and the first few by name with what was done.

        Args:
            all_in: Name of the file that lists all; ``None`` if none was written.
            examples: How many are named of each kind.
        """
        lines = []
        for kind in (*Finding, *Kind):
            of_kind = [problem for problem in self.items if problem.kind is kind]
            if not of_kind:
                continue
            lines.append(f"{kind.value}: {len(of_kind)}")
            lines.extend(f"    {problem.file}: {problem.done}" for problem in of_kind[:examples])
            if len(of_kind) > examples:
                listed = f", all in {all_in}" if all_in else ""
                lines.append(f"    and {len(of_kind) - examples} more{listed}")
        return lines
