"""``segsr models``: the trained networks that have a name."""

import argparse
import sys

from segsr_arch.named_models import SCHEME
from segsr_arch.named_models.folders import NamedModel, find_model, find_models, model_folders
from segsr_arch.results.tables import Cell, Table, to_text


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0."""
    if args.name is not None:
        print(*_card(find_model(args.name.removeprefix(SCHEME))), sep="\n")
        return 0
    models, problems = find_models()
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    if not models:
        print(f"There are none in {', '.join(map(str, model_folders()))}. segsr export --format named writes one.")
        return 0
    rows = [(model.name, f"x{model.scale}", _size(model), model.card.title) for model in models]
    table = Table(headers=("name", "scale", "size", "what it is"), rows=tuple(tuple(map(_cell, row)) for row in rows))
    print(to_text(table))
    print("\nsegsr models NAME shows its card.")
    return 0


def _cell(text: str) -> Cell:
    return Cell(value=text)


def _size(model: NamedModel) -> str:
    return f"{model.weights.stat().st_size / 1e6:.1f} MB" if model.weights.is_file() else "no weights"


def _card(model: NamedModel) -> list[str]:
    return [
        f"{model.name}: {model.card.title}",
        f"Scale: x{model.scale}",
        *model.card.lines(),
        f"Files: {model.options}, {model.weights.name} ({_size(model)})",
    ]
