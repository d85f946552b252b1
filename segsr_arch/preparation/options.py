"""What a preparation is asked to do, and what it reports."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.preparation.data_set import DataSet
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.problems import ProblemList
from segsr_arch.preparation.tiling import Tiling


@dataclass(frozen=True)
class PreparationOptions:
    """What to prepare and how."""

    data_set: DataSet = field(metadata={"help": "what is known of it"})
    source: Path = field(metadata={"help": "folder or .zip with the images"})
    root: Path = field(metadata={"help": "folder of the prepared data set"})
    scales: tuple[int, ...] = field(metadata={"help": "scales, whole numbers from 2"})
    split_files: dict[str, Path] | None = field(metadata={"help": "list of each split; None: the seeded rule"})
    val: float = field(default=0.0, metadata={"help": "rule: images a class for validation, a fraction if below 1"})
    test: float = field(default=0.0, metadata={"help": "rule: images a class for test, a fraction if below 1"})
    seed: int = field(default=0, metadata={"help": "rule: its seed"})
    own_split: bool = field(default=True, metadata={"help": "folders called train, val, test are the split"})
    rule_is_asked: bool = field(default=False, metadata={"help": "val, test or seed were given, so the rule is meant"})
    tiling: Tiling | None = field(default=None, metadata={"help": "how images are cut into tiles; None: whole"})
    patch: int = field(default=64, metadata={"help": "side of the LR training patch in pixels"})
    conversion: Conversion = field(default=AS_STORED, metadata={"help": "values and bands that are used"})
    degradation: FixedDegradation | None = field(default=None, metadata={"help": "of LR images; None: bicubic alone"})
    lmdb: bool = field(default=True, metadata={"help": "build LMDBs beside the PNG folders"})
    strict: bool = field(default=False, metadata={"help": "stop at the first problem"})
    jobs: int = field(default=1, metadata={"help": "number of processes"})


@dataclass
class Outcome:
    """What a preparation did.

    Attributes:
        manifest: The manifest's content.
        problems: What was found in the source.
        missing: Listed names that the source does not have.
        hint: A clause on what the first of them is nearly called, perhaps empty.
        listed: How many names the lists have.
        written: Images (an HR and an LR file each) written now, by scale.
        intact: Images found intact from an earlier run, by scale.
        removed: Images of an earlier run that no longer belong to the data set.
        databases: LMDBs built now.
        changed: Source images that changed since an earlier run.
    """

    manifest: dict[str, Any]
    problems: ProblemList
    missing: list[str]
    hint: str
    listed: int
    written: dict[int, int]
    intact: dict[int, int]
    removed: int
    databases: int
    changed: list[str]
