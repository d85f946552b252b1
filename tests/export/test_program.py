import pytest
import torch

from segsr_arch.export.program import SIZES, TOLERANCE, export_program
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake
from tests.networks import make

# All that a guide can be told which the paper's is not, with statistics of some images.
STUDIED = {
    "preset": "improved",
    "map_floor": 1e-4,
    "tokens": "whitened",
    "earlier_tokens": 1,
    "learned_map_scale": True,
    "map_scale_start": 25.0,
    "map_upsampling": "learned",
}


@pytest.mark.parametrize(("name", "semantics"), [("EDSR", {}), ("RCAN", {}), ("EDSR", STUDIED)])
def test_guided_networks_become_programs_for_any_size(tmp_path, name, semantics):
    network = build(name, **semantics)
    if semantics:
        network = shake(network).train()
        network(images(20, 28))
    network.eval()
    exported = export_program(network, stem=tmp_path / "new" / name, kind="torch", description={"scale": 2})
    assert exported.path == tmp_path / "new" / f"{name}.pt2" and exported.largest_difference <= TOLERANCE
    program = torch.export.load(exported.path).module()
    lq = images(23, 9)
    assert tuple(lq.shape[-2:]) not in {size[1:] for size in SIZES}
    with torch.no_grad():
        torch.testing.assert_close(program(lq), network(lq), atol=1e-5, rtol=1e-5)
    assert any(parameter.requires_grad for parameter in network.parameters())  # the network itself stayed as it was


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HAUNet", "SPT", "TTST", "MFGHMOE"])
def test_networks_that_the_paper_compares_with_become_programs_of_onnx(tmp_path, name):
    """Before it is written, onnxruntime has given what the network gives, at three sizes."""
    pytest.importorskip("onnxruntime")
    network = shake(make(name)).eval()
    exported = export_program(network, stem=tmp_path / name, kind="onnx", description={"scale": 2})
    assert exported.largest_difference <= TOLERANCE and exported.path.stat().st_size > 10_000
