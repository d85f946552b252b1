import importlib.util

import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.units import select_units
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.presets import FULL, SMALL
from segsr_arch.reproduction.run_options import network_options
from segsr_arch.zoo.named_networks import Base, build_base
from tests.reproduction.made import make_settings
from tests.support import TINY_SEMANTICS

WITH_EXTRA = importlib.util.find_spec("spandrel_extra_arches") is not None
NEEDS_EXTRA = pytest.mark.skipif(not WITH_EXTRA, reason="spandrel_extra_arches is not installed")
NAMES = [pytest.param(name, marks=NEEDS_EXTRA if name == "SRFormer" else ()) for name in FULL.networks]
MILLIONS = {  # x2, x4
    "SRResNet": (1.37, 1.52),
    "EDSR": (40.7, 43.1),
    "RRDBNet": (16.7, 16.7),
    "RCAN": (15.4, 15.6),
    "SwinIR": (11.75, 11.90),
    "HAT": (20.62, 20.77),
    "SRFormer": (10.40, 10.54),
    "HAUNet": (2.63, 2.66),
    "SPT": (3.06, 3.21),
    "TTST": (18.46, 18.61),  # with the layers that the public network of 18.22 and 18.37 leaves out
    "MFG-HMoE": (23.14, 27.09),
}


@pytest.mark.parametrize("name", NAMES)
def test_full_size_networks_have_the_papers_number_of_parameters(name):
    for scale, millions in zip((2, 4), MILLIONS[name], strict=True):
        network = Base.from_options(FULL.network(name, scale)).outline()
        digits = 1 if millions in (40.7, 43.1, 16.7, 15.4, 15.6) else 2
        assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.51 * 10**-digits)


@pytest.mark.parametrize("name", NAMES)
def test_small_networks_enlarge_by_the_scale(name):
    for scale in (2, 4):
        network = build_base(SMALL.network(name, scale)).eval()
        with torch.no_grad():
            assert network(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16 * scale, 16 * scale)
    most = 1e6 if name == "MFG-HMoE" else 0.6e6  # whose experts have 64 channels, whatever the others have
    assert sum(p.numel() for p in network.parameters()) < most


@pytest.mark.parametrize("preset", [FULL, SMALL], ids=lambda preset: preset.name)
def test_units_of_table_7_divide_the_networks_evenly(preset):
    for row in make_table("table7").rows:
        if row.variant.units is not None:
            network = Base.from_options(preset.network(row.variant.base, 4)).outline()
            paths = select_units(network, row.variant.units)
            entries = len(select_units(network, None))
            ends = [int(path.rpartition(".")[2]) + 1 for path in paths]
            step = entries // row.variant.units
            assert ends == list(range(step, entries + 1, step)) and ends[-1] == entries


def test_a_small_guided_network_builds_with_the_presets_own_guide():
    row = make_table("table7").rows[11]
    network = build_base(network_options(row.variant, make_settings()))
    assert isinstance(network, GuidedNetwork) and len(network.unit_paths) == 6
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, 12, 12)).shape == (1, 3, 48, 48)
    # what the guide of the tests has is not what the preset has
    assert network.guide.config.lora_rank == 8 != TINY_SEMANTICS["lora_rank"]


def test_a_base_that_a_preset_lacks_is_named():
    with pytest.raises(ConfigError, match="--preset small has no HAUNet2; it has SRResNet"):
        SMALL.network("HAUNet2", 4)
    assert FULL.network("RRDBNet", 2)["scale"] == 2 and FULL.network("HAT", 2)["upscale"] == 2
    assert "upscale" not in FULL.network("RRDBNet", 2)
