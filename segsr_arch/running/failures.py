"""What fails at a sample or an image is told with the files that it was read from."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from segsr_arch.errors import ConfigError, DataError, SaveError, SegsrError, ValidationError, first_line, own_words
from segsr_arch.replacing import replaced
from segsr_arch.text import printable

_SHOWN = 3


class SampleError(DataError):
    """A sample of a data set cannot be made; the message names its files.

    Attributes:
        details: All that came with it out of a worker process of a data loader, its traceback there.
    """

    def __init__(self, message: str) -> None:
        self.details = str(message)
        super().__init__(own_words(type(self), message))


def name_samples(dataset_class: Any) -> Any:
    """Let a data set class name the files of a sample that cannot be made; changes the class and returns it."""
    read = dataset_class.__getitem__
    if hasattr(read, "names_samples"):
        return dataset_class

    @functools.wraps(read)
    def __getitem__(self: Any, index: Any) -> Any:
        try:
            return read(self, index)
        except Exception as error:  # data sets from elsewhere raise any kind
            # as iterating over it does
            ends = isinstance(error, IndexError) and isinstance(index, int) and not 0 <= index < len(self)
            files = _files_of_sample(self, index)
            if ends or isinstance(error, SampleError) or _names_one_of(error, files):
                vars(error)["is_of_a_sample"] = True  # and not of the image before, which was fed to the network
                raise
            raise SampleError(_sentence(f"{_name(self)}: sample {index}", files, error)) from error

    vars(__getitem__)["names_samples"] = True
    dataset_class.__getitem__ = __getitem__
    return dataset_class


class NamedCollate:
    """Makes batches as another function does, and names the files of samples that make none.

    Args:
        collate: Makes a batch of a list of samples.
    """

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> Any:
        """Make a batch.

        Raises:
            SampleError: If the samples do not fit together.
        """
        try:
            return self.collate(samples)
        except Exception as error:
            files = [file for sample in samples for file in _files_of_item(sample)]
            raise SampleError(_sentence("no batch can be made", files, error)) from error


def naming_image(validation: Callable[..., Any]) -> Callable[..., Any]:
    """Let the ``validation`` of a model name the image at which it fails.

    Args:
        validation: Method of a model of BasicSR that is given a loader first.

    Returns:
        The method. It raises a :class:`ValidationError` where an image was fed, and what it raised before elsewhere.
    """

    @functools.wraps(validation)
    def named(self: Any, dataloader: Any, *args: Any, **options: Any) -> Any:
        fed: list[str] = []
        feed_data = self.feed_data

        def noted(data: Any) -> None:
            fed[:] = _files_of_item(data)
            feed_data(data)

        try:
            with replaced(self, "feed_data", noted):
                return validation(self, dataloader, *args, **options)
        except Exception as error:  # networks and metrics from elsewhere raise any kind
            elsewhere = isinstance(error, (SampleError, SaveError, ConfigError)) or hasattr(error, "is_of_a_sample")
            if not fed or elsewhere or _names_one_of(error, fed):
                raise
            dataset = getattr(dataloader, "dataset", None)
            raise ValidationError(_sentence(f"{_name(dataset)}: validation failed", fed, error)) from error

    return named


def _sentence(what: str, files: Sequence[str], error: Exception) -> str:
    shown = ", ".join(map(printable, files[:_SHOWN])) or "a file that it does not name"
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return f"{what}, of {shown}{more}: {printable(first_line(error))}"


def _names_one_of(error: Exception, files: Sequence[str]) -> bool:
    return isinstance(error, SegsrError) and any(file in str(error) for file in files)


def _name(dataset: Any) -> str:
    options = getattr(dataset, "opt", None)
    name = options.get("name") if isinstance(options, Mapping) else None
    return str(name or type(dataset).__name__)


def _files_of_sample(dataset: Any, index: Any) -> list[str]:
    """Files of a sample as BasicSR's data sets list them, in ``paths`` or ``keys``; none if it cannot be told."""
    entries: Any = getattr(dataset, "paths", None) or getattr(dataset, "keys", None)
    try:
        entry = entries[index]
    except (TypeError, LookupError):
        return []
    return _distinct(entry.values() if isinstance(entry, Mapping) else [entry])


def _files_of_item(item: Any) -> list[str]:
    """Files that an item or a batch of a data set names itself: ``gt_path`` and ``lq_path``, or ``key`` of a video."""
    if not isinstance(item, Mapping):
        return []
    values = [item[name] for name in ("gt_path", "lq_path", "key") if name in item]
    return _distinct(part for value in values for part in (value if isinstance(value, (list, tuple)) else [value]))


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))
