"""What people read of protocols and metrics is made from their declarations."""

from segsr_arch.metrics import listing
from segsr_arch.metrics.catalogue import CATALOGUE
from segsr_arch.metrics.protocols import PROTOCOLS


def test_every_protocol_and_metric_has_its_line_and_its_row():
    text, markdown = listing.as_text(), listing.as_markdown()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "| `" in line]
    assert [row[0] for row in rows] == [*(f"`{name}`" for name in ("--protocol", *PROTOCOLS, "--metric", *CATALOGUE))]
    for name, each in (*PROTOCOLS.items(), *CATALOGUE.items()):
        assert f"  {name}: {each.description}" in text and each.description in markdown


def test_what_a_metric_needs_is_said():
    assert "Source: Wang et al. 2023. Needs no ground truth. Better: higher.\n" in listing.as_text()
    (kid,) = (line for line in listing.as_markdown().splitlines() if line.startswith("| `kid`"))
    assert kid.endswith(
        "| Binkowski et al. 2018 | all images together, ground truth | lower | 1 x 1 "
        "| `pip install 'segsr-arch[perceptual]'` |"
    )
