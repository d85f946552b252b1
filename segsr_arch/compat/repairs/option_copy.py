"""The copy of the option file that a training keeps is whole or not there, in whatever encoding.

Symptom: a copy that is empty or cut short; ``UnicodeDecodeError``; "No such file or directory" under a launcher.
Cause: ``copy_opt_file`` copies, then writes over the copy, so that a full disk or a kill leaves a part of it. It reads
in the locale's encoding. All processes of a distributed run write the same copy, some before the first one has made the
folder.
"""

import sys
import time
from pathlib import Path

from segsr_arch.compat.patching import replace_stock
from segsr_arch.files.atomic import atomic_write
from segsr_arch.text import printable


def repair() -> bool:
    """Let the first process write it, beside, as bytes, and rename it."""
    from basicsr.utils import options
    from basicsr.utils.dist_util import master_only

    return replace_stock(options, "copy_opt_file", master_only(copy_opt_file), uses=("copyfile", "writelines"))


def copy_opt_file(opt_file: str, experiments_root: str) -> None:
    """Copy an option file below a comment with time and command; takes the place of BasicSR's function of that name.

    Args:
        opt_file: The option file.
        experiments_root: Folder of the experiment.

    Raises:
        SaveError: If the copy cannot be written.
    """
    source = Path(opt_file)
    command = printable(" ".join(sys.argv))  # a line break in an argument would end the comment
    with atomic_write(Path(experiments_root, source.name)) as file:
        file.write(f"# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n".encode())
        file.write(source.read_bytes())
