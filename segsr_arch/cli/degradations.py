"""What LR images are degraded by, as arguments say it."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from segsr_arch.config.yaml_file import read_options
from segsr_arch.degradations.named_chains import BICUBIC, NAMED_CHAINS
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.preparation.fixed_degradation import FixedDegradation


def degradation_of(args: argparse.Namespace, *, scales: Iterable[int]) -> FixedDegradation | None:
    """Read what LR images are degraded by, and try it for each scale before anything is written.

    Args:
        args: What :func:`~segsr_arch.cli.arguments.kinds.add_degradation` has added.
        scales: The scales.

    Returns:
        The chain; ``None`` for the bicubic reduction alone.

    Raises:
        ConfigError: If it is neither a known name nor a file that holds a chain.
    """
    named = args.degradation
    if named in (None, BICUBIC):
        if args.degradation_seed is not None:
            raise ConfigError("--degradation-seed: there is nothing to draw without --degradation.")
        return None
    if named not in NAMED_CHAINS and not Path(named).suffix:
        known = nearest_hint(named, NAMED_CHAINS) or f"; known are: {', '.join(NAMED_CHAINS)}"
        raise ConfigError(f"--degradation: {named} is neither a file (.yml) nor a chain{known}")
    given, source = named, "--degradation"
    if named not in NAMED_CHAINS:
        try:
            options, source = read_options(named), named
        except ConfigError as error:
            if not Path(named).is_file():
                raise
            raise ConfigError(f"{error}; a chain is written as `degradation: [{{type: isotropic}}, ...]`") from error
        if list(options) != ["degradation"]:
            keys = ", ".join(options)
            raise ConfigError(f"{named}: expected one key, degradation:, with a list of steps; it has {keys}.")
        given = options["degradation"]
    degradation = FixedDegradation(given=given, seed=args.degradation_seed or 0)
    for scale in scales:
        try:
            degradation.chain(scale)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
    return degradation
