import io
import random

import numpy as np
import pytest
import torch

from segsr_arch.training.random_state import kept_random_state, random_state, restore_random_state


def draw():
    return random.gauss(0, 1), float(np.random.normal()), torch.randn(3).tolist()


@pytest.mark.parametrize("before", [0, 1], ids=["fresh", "with a second normal number waiting"])
def test_a_state_that_was_saved_gives_the_same_numbers_again(before):
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    for _ in range(before):
        draw()
    file = io.BytesIO()
    torch.save(random_state(), file)
    expected = [draw() for _ in range(3)]
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    assert draw() != expected[0]
    assert restore_random_state(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert [draw() for _ in range(3)] == expected


def test_a_block_draws_numbers_of_its_own():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    expected = draw()
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    with pytest.raises(KeyError), kept_random_state():
        draw()
        raise KeyError
    assert draw() == expected


def test_another_number_of_gpus_is_told():
    state = {**random_state(), "cuda": [torch.get_rng_state()] * 99}
    assert not restore_random_state(state)
