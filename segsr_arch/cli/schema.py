"""``segsr schema``: what an option file may hold, as a JSON schema for editors."""

import argparse
import json

from segsr_arch.config.imports import import_entries
from segsr_arch.config.schema import make_schema


def run(args: argparse.Namespace) -> int:
    """Print the schema."""
    import_entries(args.imports, source="--imports")
    print(json.dumps(make_schema(), indent=2))
    return 0
