"""Arguments of ``segsr schema``."""

import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "schema",
        help="print a JSON schema of option files, from which editors complete and check them",
        description="Prints a JSON schema (draft 2020-12) of option files: keys with what they do, defaults, bounds, "
        "and the names that are registered. Editors with a YAML language server read it where an option file begins "
        "with `# yaml-language-server: $schema=segsr.schema.json`.",
        epilog="segsr schema > segsr.schema.json",
    )
    parser.add_argument(
        "--imports",
        nargs="+",
        default=[],
        metavar="FILE.py",
        help="Python files or modules that register parts of your own, to be completed, too; this runs them",
    )
