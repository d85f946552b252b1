"""Files of pretrained networks that torch's hub keeps: there, fetched, or an error at once that says what to do."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import torch

from segsr_arch.errors import WeightsError, WeightsFileError, first_line
from segsr_arch.replacing import replaced
from segsr_arch.running.progress import bar_for_others
from segsr_arch.semantics.vision_weights import require_network


def hub_path(url: str) -> Path:
    """Where torch's hub keeps the file of an address: ``$TORCH_HOME/hub/checkpoints/NAME``."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name


@contextlib.contextmanager
def hub_file(url: str, *, metric: str) -> Iterator[Path]:
    """Guard the block in which a library loads a file of torch's hub, and fetches it first if it is not there.

    Args:
        url: Where the library gets it from.
        metric: Name of the metric, for messages.

    Yields:
        Where the file is, or will be: ``$TORCH_HOME/hub/checkpoints/NAME``.

    Raises:
        WeightsError: If it is not there and cannot be fetched, or is not what the library expects.
    """
    path = hub_path(url)
    remedy = f"Fetch {url} on a machine with a network and place it there ($TORCH_HOME/hub/checkpoints/{path.name})."
    if not path.is_file():
        try:
            require_network({"url": url})
        except OSError as error:
            raise WeightsError(
                f"{metric}: its weights {path} are missing, and there is no network ({error}). {remedy}"
            ) from error
    try:
        with replaced(torch.hub, "tqdm", bar_for_others):
            yield path
    except WeightsFileError as error:
        raise WeightsError(f"{metric}: its weights cannot be loaded. {error} Delete the file. {remedy}") from error
    except Exception as error:  # whatever torch, its hub, pickle or the disk raise: the remedy is the same
        raise WeightsError(
            f"{metric}: its weights {path} cannot be loaded ({first_line(error)}). Delete the file. {remedy}"
        ) from error
