import pytest
import torch

from segsr_arch.archs.hat.geometry import (
    cross_position_index,
    make_plan,
    permute_rows,
    self_position_index,
    shift_mask,
)


def plan_of(batch, height, width, window, key_window):
    indices = self_position_index(window), cross_position_index(window, key_window)
    return make_plan(batch, height, width, window, *indices, shift_mask(window))


def test_windows_of_the_plain_order_are_squares_of_neighbours():
    order = plan_of(2, 4, 6, 2, 4).plain.order.view(-1, 4).tolist()
    assert order[0] == [0, 1, 6, 7]
    assert order[1] == [2, 3, 8, 9]
    assert order[3] == [12, 13, 18, 19]
    assert order[6] == [24, 25, 30, 31]


@pytest.mark.parametrize("size", [(2, 8, 12), (1, 4, 4), (3, 4, 16), (1, 12, 4)])
def test_orders_are_permutations_and_counts_add_up(size):
    plan = plan_of(*size, 4, 6)
    for windows in (plan.plain, plan.shifted):
        tokens = torch.arange(size[0] * size[1] * size[2])
        assert torch.equal(windows.order.sort().values, tokens)
        assert torch.equal(windows.order[windows.inverse], tokens)
        assert sum(windows.counts) * 16 == len(tokens)


def test_the_mask_separates_exactly_what_the_shift_brought_together():
    window, height, width = 4, 12, 8
    plan = plan_of(1, height, width, window, 6)
    rows, columns = plan.shifted.order // width, plan.shifted.order % width
    kinds = torch.repeat_interleave(torch.arange(4), torch.tensor(plan.shifted.counts))
    for kind, row, column in zip(kinds, rows.view(-1, 16), columns.view(-1, 16), strict=True):
        far = (row[:, None] - row[None, :]).abs().ge(window) | (column[:, None] - column[None, :]).abs().ge(window)
        assert torch.equal(plan.mask[kind] == -100, far)


def test_keys_surround_their_window_with_zero_padding():
    plan = plan_of(1, 4, 4, 2, 4)
    assert plan.key_margin == 1
    first, second = plan.keys.view(4, 16)[:2].tolist()
    assert first == [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21]
    assert second == [index + 2 for index in first]


def test_position_indices_tell_every_distance_apart():
    index = self_position_index(3)
    assert index[0, 0] == index[4, 4] == 12
    assert len(index.unique()) == 25
    cross = cross_position_index(4, 6) % 81
    assert len(cross.unique()) == 81
    assert cross[0, 0] == cross[5, 7]


def test_permuted_rows_carry_their_gradients_back():
    rows = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    order = torch.randperm(6)
    assert torch.autograd.gradcheck(lambda x: permute_rows(x, order, order.argsort()), rows)
    assert torch.equal(permute_rows(rows, order, order.argsort()), rows[order])
