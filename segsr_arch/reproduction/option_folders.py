"""The option files of ``options/zoo`` and ``options/ablation``, at full size, as in the paper.

``python -m segsr_arch.reproduction.option_folders options`` writes them; BasicSR's format cannot include another file,
so each is whole. The zoo has the training and the test of every plain network of tables I and II; the ablation has the
training of every guided network of tables IV to VII and of our own questions.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.errors import SegsrError
from segsr_arch.files.text_files import write_text
from segsr_arch.reproduction.paper_tables import Table, make_table
from segsr_arch.reproduction.presets import FULL
from segsr_arch.reproduction.rows import Row
from segsr_arch.reproduction.run_options import DATASET_NAMES, Settings, final_options, network_key, train_options
from segsr_arch.reproduction.variants import Variant
from segsr_arch.training.option_files import write_options

_COMMENT = """\
{dataset}, x{scale}: {labels}
{purpose}
Full size, as in the paper; BasicSR cannot include a file, so this one is written by a program. To change all of them:
python -m segsr_arch.reproduction.option_folders options

  segsr prepare {source} SRC datasets/{dataset} --scale {scale}
  basicsr {command} -opt options/{folder}/{file}
"""
_SOURCES = {"UCM": "ucmerced", "AID": "aid"}  # what segsr prepare calls the data sets


@dataclass(frozen=True, kw_only=True)
class _Purpose:
    """What a file is for: the command that runs it, its options, and a sentence about it."""

    command: str
    options: Callable[..., dict[str, Any]]
    sentence: str


_TRAIN = _Purpose(
    command="train", options=train_options, sentence="Training; the best network on the validation split is kept."
)
_TEST = _Purpose(
    command="test",
    options=final_options,
    sentence="Test, on the test split, of the network that was best on the validation split.",
)


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """Which rows of which tables have files, and for what."""

    tables: tuple[str, ...]
    purposes: tuple[_Purpose, ...]
    holds: Callable[[Row], bool]


_FOLDERS = {
    "zoo": _Folder(tables=("table1", "table2"), purposes=(_TRAIN, _TEST), holds=lambda row: row.variant.is_base),
    "ablation": _Folder(
        tables=("table4", "table5", "table6", "table7", "extra"),
        purposes=(_TRAIN,),
        holds=lambda row: not row.variant.is_base and not row.study,
    ),
}


def option_files() -> dict[str, str]:
    """Make the option files: text by path below ``options``, such as ``zoo/train_HAUNet_AID_x2.yml``."""
    files = {}
    for name, folder in _FOLDERS.items():
        for key, (settings, variant, labels) in _networks(folder).items():
            for purpose in folder.purposes:
                file = f"{purpose.command}_{key}.yml"
                comment = _COMMENT.format(
                    dataset=DATASET_NAMES[settings.dataset],
                    source=_SOURCES[settings.dataset],
                    scale=settings.scale,
                    labels="; ".join(dict.fromkeys(labels)),
                    purpose=purpose.sentence,
                    command=purpose.command,
                    folder=name,
                    file=file,
                )
                options = purpose.options(variant, settings, name=key, seed=0)
                files[f"{name}/{file}"] = write_options(options, comment=comment)
    return files


def _networks(folder: _Folder) -> dict[str, tuple[Settings, Variant, list[str]]]:
    """The networks of a folder by name, each with the rows that have it."""
    found: dict[str, tuple[Settings, Variant, list[str]]] = {}
    for table, settings in _tables(folder):
        for row in filter(folder.holds, table.rows):
            name = network_key(row.variant, settings)
            found.setdefault(name, (settings, row.variant, []))[2].append(f"{row.label} ({table.key})")
    return found


def _tables(folder: _Folder) -> Iterator[tuple[Table, Settings]]:
    for key in folder.tables:
        table = make_table(key)
        for scale in table.scales if key != "extra" else (4,):
            data = f"datasets/{DATASET_NAMES[table.dataset]}"
            yield table, Settings(preset=FULL, dataset=table.dataset, scale=scale, data=data, num_gpu=1)


def main(arguments: Sequence[str]) -> int:
    """Write the files below the folder that is given, and remove other ``.yml`` files there; returns 0 or 2."""
    if len(arguments) != 1:
        print("usage: python -m segsr_arch.reproduction.option_folders FOLDER", file=sys.stderr)
        return 2
    root = Path(arguments[0])
    files = option_files()
    try:
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(root / name, text)
    except (SegsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    written = {root / name for name in files}
    stale = {path for name in _FOLDERS for path in (root / name).glob("*.yml")} - written
    for path in stale:
        path.unlink()
    print(f"{len(files)} files written to {root}" + (f", {len(stale)} old ones removed" if stale else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
