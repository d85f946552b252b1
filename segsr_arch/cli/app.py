"""``segsr app``: a page in the browser."""

import argparse
import ipaddress
import sys
import threading

from segsr_arch.app.desk import Desks
from segsr_arch.app.networks import load_offered
from segsr_arch.app.serving import check_installed, served
from segsr_arch.app.visits import opened_visits
from segsr_arch.errors import ConfigError
from segsr_arch.scenes.source.rasters import whole_files_alone


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    if not args.max_megapixels > 0:
        raise ConfigError(f"--max-megapixels {args.max_megapixels:g}: must be more than 0.")
    check_installed()
    how = {name: value for name in ("device", "amp") if (value := getattr(args, name)) is not None}
    offered = load_offered(args.opt, args.model, **how)
    with whole_files_alone(), opened_visits() as visits:
        desks = Desks(visits, offered, most_megapixels=args.max_megapixels)
        with served(desks, host=args.host, port=args.port) as address:
            if not _of_this_machine(args.host):
                print(
                    f"warning: --host {args.host}: whoever reaches this machine can use the page; it asks for no "
                    f"password.",
                    file=sys.stderr,
                )
            print(
                f"Networks: {', '.join(offered)}", f"The page is at {address} (Ctrl-C ends it).", sep="\n", flush=True
            )
            threading.Event().wait()
    return 0


def _of_this_machine(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
