"""Arguments of ``segsr models``."""

import argparse

from segsr_arch.named_models import VARIABLE

_EPILOG = f"""Networks are looked for in the folders of {VARIABLE}, in ~/.config/segsr/models and in this package.
One of your own:

  segsr export -opt options/test_small_SeGSR_UCM_x4.yml --format named --name my-region-x4

examples:
  segsr models
  segsr upscale scene.tif sharp.tif --model my-region-x4
  basicsr train -opt options/train_small_SeGSR_UCM_x4.yml --force_yml path:pretrain_network_g=segsr://my-region-x4
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "models",
        help="list the trained networks that have a name, or show the card of one",
        description="List the trained networks that have a name, or show the card of one: what it was trained on, "
        "what was measured, licences and limits.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="show its card")
