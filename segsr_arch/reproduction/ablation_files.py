"""The option files of ``options/ablation``: one for each network of tables IV to VII and of our own questions.

``python -m segsr_arch.reproduction.ablation_files options/ablation`` writes them; BasicSR's format cannot include
another file, so each is whole.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from segsr_arch.errors import SegsrError
from segsr_arch.files.text_files import write_text
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.presets import FULL
from segsr_arch.reproduction.run_options import Settings, network_key, train_options
from segsr_arch.training.option_files import write_options

_TABLES = ("table4", "table5", "table6", "table7", "extra")
_COMMENT = """\
{title}, x{scale}: {labels}
Full size, as in the paper; BasicSR cannot include a file, so this one is written by a program. To change all of them:
python -m segsr_arch.reproduction.ablation_files options/ablation

  segsr prepare ucmerced SRC datasets/UCMerced --scale {scale}
  basicsr train -opt options/ablation/{file}
"""


def ablation_files() -> dict[str, str]:
    """Make the option files: text by file name."""
    named: dict[str, tuple[Settings, object, list[str]]] = {}
    for key in _TABLES:
        table = make_table(key)
        for scale in table.scales if key == "table7" else (4,):
            settings = Settings(preset=FULL, dataset="UCM", scale=scale, data="datasets/UCMerced", num_gpu=1)
            for row in (row for row in table.rows if not row.study):
                name = network_key(row.variant, settings)
                named.setdefault(name, (settings, row.variant, []))[2].append(f"{row.label} ({key})")
    files = {}
    for name, (settings, variant, labels) in named.items():
        file = f"train_{name}.yml"
        comment = _COMMENT.format(
            title="UC Merced Land Use", scale=settings.scale, labels="; ".join(dict.fromkeys(labels)), file=file
        )
        files[file] = write_options(train_options(variant, settings, name=name, seed=0), comment=comment)
    return files


def main(arguments: Sequence[str]) -> int:
    """Write the files into the folder that is given, and remove other ``.yml`` files there; returns 0 or 2."""
    if len(arguments) != 1:
        print("usage: python -m segsr_arch.reproduction.ablation_files FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    files = ablation_files()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(folder / name, text)
    except (SegsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    stale = {path for path in folder.glob("train_*.yml") if path.name not in files}
    for path in stale:
        path.unlink()
    print(f"{len(files)} files written to {folder}" + (f", {len(stale)} old ones removed" if stale else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
