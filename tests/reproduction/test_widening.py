import pytest

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.presets import SMALL
from segsr_arch.reproduction.run_options import network_key, network_options, train_options, widened_base
from segsr_arch.reproduction.variants import guided, plain, widened
from segsr_arch.reproduction.widening import widen
from segsr_arch.zoo.named_networks import build_base
from tests.reproduction.made import make_settings


def parameters(options):
    return sum(p.numel() for p in build_base(options).parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("base", "name", "step"), [("EDSR", "num_feat", 1), ("RCAN", "num_feat", 1), ("HAT", "embed_dim", 3)]
)
def test_no_other_width_is_nearer_to_the_guided_networks_size(base, name, step):
    settings = make_settings()
    target = parameters(network_options(guided(base), settings))
    options = network_options(widened(base), settings)
    found = widened_base(widened(base), settings)
    assert (found.name, found.before, found.target) == (name, SMALL.networks[base][name], target)
    assert options[name] == found.options[name] > found.before
    off = [abs(parameters({**options, name: options[name] + change}) - target) for change in (-step, 0, step)]
    assert min(off) == off[1] == abs(found.parameters - target) < 0.05 * target
    assert f"{name} {options[name]} in place of {found.before}: {found.parameters:,} parameters" in str(found)
    assert {key for key in options if options[key] != network_options(plain(base), settings)[key]} == {name}


def test_pretrained_weights_need_not_be_there_to_count():
    settings = make_settings(vlm_pretrained="/nowhere/vit.pt")
    assert network_options(widened("EDSR"), settings) == network_options(widened("EDSR"), make_settings())


def test_its_name_says_whose_size_it_has():
    assert network_key(widened("EDSR"), make_settings()) == "EDSR_wide_UCM_x4"
    assert (
        network_key(widened("EDSR"), make_settings(vlm="ViT-B-32", vlm_pretrained="a.pt"))
        == "EDSR_wide_UCM_x4_ViT-B-32"
    )


def test_what_cannot_be_widened_is_refused():
    with pytest.raises(ConfigError, match="SwinIR: it is not known what makes it wider; known are EDSR, RCAN"):
        widen({"type": "SwinIR"}, {"semantics": {}})
    guide = network_options(guided("EDSR"), make_settings())
    with pytest.raises(ConfigError, match="EDSR: num_feat 4 has fewer parameters than"):
        widen({**guide["base"], "num_feat": 1}, guide)


def test_rows_bring_their_own_options_of_training():
    (row,) = [row for row in make_table("extra", base="EDSR").rows if row.label == "identity, apart, penalty"]
    assert train_options(row.variant, make_settings(), name="run", seed=0)["train"]["unit_penalty"] == 0.01
    assert "unit_penalty" not in train_options(guided("EDSR"), make_settings(), name="run", seed=0)["train"]
