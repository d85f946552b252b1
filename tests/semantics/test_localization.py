import pytest
import torch
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.semantics.config import DESCRIPTORS
from segsr_arch.semantics.localization import SemanticLocalization


def test_shapes_and_default_numbers():
    module = SemanticLocalization(num_units=6, embed_dim=512)
    assert module(torch.rand(3, 512)).shape == (3, 6, 512)
    assert module.meta_net.perceptron[0].out_features == 512 // 16
    assert module.attention.num_heads == 8
    assert "local_descriptors" in module.state_dict() and module.local_descriptors.shape == (6, 512)


def attend(attention, vectors, heads):
    """Multi-head self-attention (eq. 6) over vectors (N, C)."""
    q, k, v = (vectors @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=1)
    width = vectors.shape[1] // heads
    outputs = []
    for h in (slice(i * width, (i + 1) * width) for i in range(heads)):
        outputs.append(torch.softmax(q[:, h] @ k[:, h].T / width**0.5, dim=1) @ v[:, h])
    return attention.out_proj(torch.cat(outputs, dim=1))


def fuse(meta, p_g, image):
    """MetaNet (eq. 5) of I_g (C,)."""
    context = meta.perceptron[2](torch.relu(meta.perceptron[0](image)))
    return meta.projection(meta.scale(context) * p_g + meta.shift(context))


def embeddings(module, image, descriptors, *, residual=False, heads=2):
    """The embeddings (k, C) of I_g (C,) by the text of section IV-E 3, one row of table VI each."""
    p_i, p_g = module.local_descriptors, module.global_descriptor
    vectors = {
        "p_i": lambda: p_i,
        "p_i+p_g": lambda: torch.cat([p_g[None], p_i]),
        "p_i+I_g": lambda: torch.cat([image[None], p_i]),
        "p_g+I_g": lambda: fuse(module.meta_net, p_g, image)[None],
        "p_i+p_g+I_g": lambda: torch.cat([fuse(module.meta_net, p_g, image)[None], p_i]),
    }[descriptors]()
    refined = attend(module.attention, vectors, heads)
    if residual:
        refined = refined + vectors
    if descriptors == "p_i":
        return module.fusion(refined)
    if descriptors == "p_g+I_g":
        return module.fusion(module.content(refined)).repeat(module.num_units, 1)
    return module.fusion(torch.sigmoid(module.gate(refined[1:])) * module.content(refined[:1]))


def small(descriptors="p_i+p_g+I_g", **options):
    torch.manual_seed(0)
    return SemanticLocalization(
        num_units=3, embed_dim=16, num_heads=2, reduction=4, descriptors=descriptors, **options
    ).double()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("descriptors", DESCRIPTORS)
def test_equations_5_to_7_written_out(descriptors, residual):
    module = small(descriptors, residual=residual)
    images = torch.randn(2, 16, dtype=torch.double)
    result = module(images)
    assert result.shape == (2, 3, 16)
    for image, own in zip(images, result, strict=True):
        torch.testing.assert_close(own, embeddings(module, image, descriptors, residual=residual))
    if residual:
        assert (result - small(descriptors)(images)).abs().max() > 1e-3


SHARED = {"attention", "fusion"}
PARTS = {
    "p_i": SHARED | {"local_descriptors"},
    "p_i+p_g": SHARED | {"local_descriptors", "global_descriptor", "gate", "content"},
    "p_i+I_g": SHARED | {"local_descriptors", "gate", "content"},
    "p_g+I_g": SHARED | {"global_descriptor", "meta_net", "content"},
    "p_i+p_g+I_g": SHARED | {"local_descriptors", "global_descriptor", "meta_net", "gate", "content"},
}


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("descriptors", DESCRIPTORS)
def test_only_what_a_setting_uses_exists_and_all_of_it_is_trained(descriptors, residual):
    module = small(descriptors, residual=residual)
    assert {name.split(".")[0] for name, _ in module.named_parameters()} == PARTS[descriptors]
    assert set(module.state_dict()) == {name for name, _ in module.named_parameters()}
    module(torch.randn(2, 16, dtype=torch.double)).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    zero = {name for name, p in module.named_parameters() if not p.grad.abs().sum() > 1e-12}
    assert zero <= {"meta_net.perceptron.0.weight", "meta_net.perceptron.0.bias"}  # if every ReLU is off
    for vectors in (module.local_descriptors, module.global_descriptor):
        assert vectors is None or (vectors.grad.abs().sum(dim=-1) > 0).all()


def test_in_the_attention_of_a_single_vector_queries_and_keys_change_nothing():
    module = small("p_g+I_g")
    image = torch.randn(1, 16, dtype=torch.double)
    before = module(image)
    with torch.no_grad():
        module.attention.in_proj_weight[:32].normal_()
    torch.testing.assert_close(module(image), before)


@pytest.mark.parametrize(
    ("descriptors", "follows_image", "units_differ"),
    [
        ("p_i", False, True),
        ("p_i+p_g", False, True),
        ("p_i+I_g", True, True),
        ("p_g+I_g", True, False),
        ("p_i+p_g+I_g", True, True),
    ],
)
def test_what_depends_on_the_image_and_on_the_unit(descriptors, follows_image, units_differ):
    one, other = small(descriptors)(torch.randn(2, 16, dtype=torch.double))
    assert ((one - other).abs().max() > 1e-4) == follows_image
    assert ((one[0] - one[1]).abs().max() > 1e-4) == units_differ


@pytest.mark.parametrize("descriptors", DESCRIPTORS)
def test_training_and_evaluation_give_the_same(descriptors):
    module = small(descriptors).float()
    images = torch.randn(2, 16)
    trained = module(images)
    with torch.no_grad():  # torch has an attention of its own for this case
        torch.testing.assert_close(module.eval()(images), trained, atol=1e-6, rtol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        close = module(images).float()
    assert 0 < (close - trained).abs().max() < 0.02 * trained.abs().max()


def test_units_differ_and_follow_the_image():
    torch.manual_seed(0)
    module = SemanticLocalization(num_units=3, embed_dim=32, num_heads=4)
    one, other = module(torch.randn(2, 32))
    assert (one[0] - one[1]).abs().max() > 1e-4
    assert (one - other).abs().max() > 1e-4


def test_every_parameter_is_trained():
    module = SemanticLocalization(num_units=3, embed_dim=32, num_heads=4)
    module(torch.randn(2, 32)).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert all(row.abs().sum() > 0 for row in module.local_descriptors.grad)


def test_heads_must_divide_the_joint_width():
    with pytest.raises(ConfigError, match="num_heads: 8 does not divide .* joint width 36"):
        SemanticLocalization(num_units=1, embed_dim=36)


def cosine_between_units(*, width, draws=5, images=4, **options):
    """Mean cosine of the embeddings of six untrained units, over pairs, images and draws of the weights."""
    cosines = []
    for seed in range(draws):
        torch.manual_seed(seed)
        module = SemanticLocalization(num_units=6, embed_dim=width, **options)
        with torch.no_grad():
            embeddings = F.normalize(module(torch.randn(images, width)), dim=-1)
        one, other = torch.triu_indices(6, 6, offset=1)
        cosines.append((embeddings @ embeddings.mT)[:, one, other].mean())
    return torch.stack(cosines).mean().item()


@pytest.mark.parametrize("width", [128, 512])
def test_units_of_the_paper_start_with_one_embedding_and_can_start_apart(width):
    assert cosine_between_units(width=width) > 0.99
    residual = cosine_between_units(width=width, residual=True)
    gated = cosine_between_units(width=width, residual=True, gate_gain=8.0)
    assert 0.99 > residual > gated + 0.1 > 0.6
    assert abs(cosine_between_units(width=width, past_gate=True) - 0.2) < 0.02, "all else is common to them"
    assert 0.1 < cosine_between_units(width=width, residual=True, gate_gain=8.0, past_gate=True) < 0.3


def test_descriptors_past_the_gate_written_out():
    module = small(past_gate=True)
    images = torch.randn(2, 16, dtype=torch.double)
    p_i = module.local_descriptors
    torch.testing.assert_close(p_i @ p_i.T, 16 * torch.eye(3, dtype=torch.double), atol=1e-5, rtol=0)
    assert module.descriptor_weight.flatten().tolist() == [2, 2, 2]
    with torch.no_grad():
        module.descriptor_weight.copy_(torch.tensor([[0.5], [-1.0], [3.0]]))
    for image, own in zip(images, module(images), strict=True):
        paper = F.normalize(embeddings(module, image, "p_i+p_g+I_g"), dim=1)
        expected = paper + torch.tensor([[0.5], [-1.0], [3.0]]) * F.normalize(p_i, dim=1)
        torch.testing.assert_close(own.double(), expected, atol=1e-5, rtol=1e-5)
    module(images).square().sum().backward()
    assert (module.descriptor_weight.grad != 0).all()


def test_the_gain_of_the_gate_is_where_it_starts():
    paper, module = small().state_dict(), small(gate_gain=4.0).state_dict()
    changed = {name for name in paper if not torch.equal(paper[name], module[name])}
    assert paper.keys() == module.keys() and changed == {"gate.weight"}
    torch.testing.assert_close(module["gate.weight"], 4 * paper["gate.weight"])
