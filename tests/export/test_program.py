import pytest
import torch

from segsr_arch.export.program import SIZES, TOLERANCE, export_program
from tests.guiding.bases import build, images


@pytest.mark.parametrize("name", ["EDSR", "RCAN"])
def test_guided_networks_become_programs_for_any_size(tmp_path, name):
    network = build(name).eval()
    exported = export_program(network, stem=tmp_path / "new" / name, kind="torch", description={"scale": 2})
    assert exported.path == tmp_path / "new" / f"{name}.pt2" and exported.largest_difference <= TOLERANCE
    program = torch.export.load(exported.path).module()
    lq = images(23, 9)
    assert tuple(lq.shape[-2:]) not in {size[1:] for size in SIZES}
    with torch.no_grad():
        torch.testing.assert_close(program(lq), network(lq), atol=1e-5, rtol=1e-5)
    assert any(parameter.requires_grad for parameter in network.parameters())  # the network itself stayed as it was
