"""Running BasicSR's own pipelines with options that have been read already, and watching what they build.

``basicsr.train`` and ``basicsr.test`` look their parts up in their own modules, so these are replaced there for as long
as a block runs.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from segsr_arch.replacing import replaced


def complete_options(
    opt: dict[str, Any],
    *,
    parse: Callable[..., Any],
    source: str | os.PathLike[str],
    flags: Sequence[str] = (),
    is_train: bool,
) -> tuple[dict[str, Any], argparse.Namespace]:
    """Let a ``parse_options`` of BasicSR do all it does, but with options that have been read already.

    It reads ``sys.argv``, opens the file in the locale's encoding, and evaluates ``--force_yml`` as code. It gets the
    plain arguments, and a YAML loader that has the options and does not look into the file. It seeds the random number
    generators, too.

    Args:
        opt: Options as read; changed in place.
        parse: BasicSR's function, ``basicsr.train.parse_options`` or ``basicsr.test.parse_options``.
        source: Option file; it must exist.
        flags: Further arguments, such as ``["--launcher", "pytorch"]``.
        is_train: Whether the run trains.

    Returns:
        The options with BasicSR's own keys, folders below the working directory, and the parsed arguments.
    """
    from basicsr.utils import options

    class Loader:
        def __init__(self, stream: Any) -> None:
            pass

        def get_single_data(self) -> dict[str, Any]:
            return opt

        def dispose(self) -> None:
            pass

    plain = ["basicsr", "-opt", os.fspath(source), *flags]
    with replaced(options, "ordered_yaml", lambda: (Loader, None)), replaced(sys, "argv", plain):
        parsed: tuple[dict[str, Any], argparse.Namespace] = parse(os.getcwd(), is_train)
    return parsed


@contextlib.contextmanager
def options_given(
    module: ModuleType, opt: dict[str, Any], *, source: str, flags: Sequence[str], logged: Callable[[], Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Give a pipeline options that have been read already.

    Args:
        module: ``basicsr.train`` or ``basicsr.test``.
        opt: Options as read.
        source: Option file.
        flags: Further arguments, as for :func:`complete_options`.
        logged: Lines for the log of the run, after what it begins with.

    Yields:
        A dictionary that is filled with the complete options once they are parsed.
    """
    parse, get_env_info, seen = module.parse_options, module.get_env_info, {}

    def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], argparse.Namespace]:
        parsed, parsed_args = complete_options(opt, parse=parse, source=source, flags=flags, is_train=is_train)
        seen.update(parsed)
        return parsed, parsed_args

    def environment() -> str:
        return "\n".join([get_env_info(), *logged()])

    with replaced(module, "parse_options", parse_options), replaced(module, "get_env_info", environment):
        yield seen


@contextlib.contextmanager
def training_watched(
    *,
    on_model: Callable[[Any, dict[str, Any]], None],
    on_loader: Callable[[Any], None],
    on_epoch: Callable[[int], None],
) -> Iterator[None]:
    """Tell what ``basicsr.train.train_pipeline`` builds and begins while the block runs.

    Args:
        on_model: Called with a model that was just built, and the options.
        on_loader: Called with a loader that was just built.
        on_epoch: Called with the number of an epoch that is about to begin.
    """
    import basicsr.train
    from basicsr.data.data_sampler import EnlargedSampler

    build_model, build_dataloader = basicsr.train.build_model, basicsr.train.build_dataloader
    set_epoch = EnlargedSampler.set_epoch

    def told_model(opt: dict[str, Any]) -> Any:
        model = build_model(opt)
        on_model(model, opt)
        return model

    def told_loader(*args: Any, **options: Any) -> Any:
        loader = build_dataloader(*args, **options)
        on_loader(loader)
        return loader

    def told_epoch(sampler: Any, epoch: int) -> None:
        on_epoch(epoch)
        set_epoch(sampler, epoch)

    with (
        replaced(basicsr.train, "build_model", told_model),
        replaced(basicsr.train, "build_dataloader", told_loader),
        replaced(EnlargedSampler, "set_epoch", told_epoch),
    ):
        yield
