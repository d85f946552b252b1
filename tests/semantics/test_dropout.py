import pytest
import torch
from torch import nn

from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.dropout import Dropout
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from tests.support import TINY_VLM


@pytest.mark.parametrize("p", [0.05, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_are_dropped_with_the_probability_and_the_rest_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    ones = torch.ones(101, 997, dtype=dtype, requires_grad=True)
    dropped = Dropout(p=p).train()(ones)
    assert dropped.shape == ones.shape and dropped.dtype == dtype
    assert abs((dropped == 0).float().mean() - p) < 0.005
    assert abs(dropped.float().mean() - 1) < 0.01
    values = dropped.detach().float().unique()
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / (1 - p)]), rtol=0.005, atol=0)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped)


def test_neighbours_are_dropped_independently_and_the_seed_decides():
    torch.manual_seed(0)
    drop, ones = Dropout(p=0.5).train(), torch.ones(40_000)
    first = drop(ones)
    for distance in (1, 2, 3, 4, 5):
        both = ((first[:-distance] == 0) & (first[distance:] == 0)).float().mean()
        assert abs(both - 0.25) < 0.01
    second = drop(ones)
    torch.manual_seed(0)
    assert torch.equal(drop(ones), first) and not torch.equal(first, second)


def test_nothing_is_dropped_in_evaluation_or_with_probability_zero():
    x = torch.rand(3, 5)
    assert Dropout(p=0.5).eval()(x) is x and Dropout(p=0.0).train()(x) is x


def test_probabilities_up_to_one_work_and_others_are_refused():
    dropped = Dropout(p=1 - 1e-9).train()(torch.ones(1000))
    assert dropped.isfinite().all() and (dropped == 0).float().mean() > 0.9
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match="must be in"):
            Dropout(p=p)


def test_lora_branches_have_it():
    config = SemanticsConfig(vlm=TINY_VLM, pretrained=None, lora_rank=2, lora_dropout=0.25)
    module = SemanticFeatureExtraction(config=config, scale=4)
    probabilities = {name.split(".")[-2]: each.p for name, each in module.named_modules() if isinstance(each, Dropout)}
    assert probabilities == {"lora_dropout": 0.25}
    assert not any(isinstance(each, nn.Dropout) and each.p > 0 for each in module.modules())
