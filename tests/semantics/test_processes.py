"""Running statistics and kept maps of two processes, each with half of a batch, against those of one with all of it."""

import sys

import torch

from segsr_arch.semantics.controls import OtherMaps
from segsr_arch.semantics.processes import gathered_from_processes, mean_over_processes
from segsr_arch.semantics.tokens import TokenStatistics
from tests.support import ROOT, run_command

WIDTH, UNITS, STEPS = 8, 3, 3
KINDS = ("centred", "reduced", "whitened")


def make_modules():
    kinds = {kind: TokenStatistics(embed_dim=WIDTH, kind=kind, removed=2) for kind in KINDS}
    return torch.nn.ModuleDict({**kinds, "shuffled": OtherMaps(num_maps=UNITS)}).train()


def see(modules, part):
    """Let modules see a part of the same few batches of four images."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        tokens = torch.randn(4, WIDTH, 3, 5, generator=generator) + 1
        maps = torch.rand(4, UNITS, 3, 5, generator=generator)
        lq = torch.rand(4, 3, 6, 10, generator=generator)
        for kind in KINDS:
            modules[kind](tokens[part])
        modules["shuffled"](maps[part], lq[part])
    return modules.state_dict()


def work(folder):
    """What a process does under torchrun."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    torch.save(see(make_modules(), slice(2 * rank, 2 * rank + 2)), f"{folder}/{rank}.pth")
    torch.distributed.destroy_process_group()


def test_two_processes_learn_the_same_from_what_both_of_them_see(tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = run_command([*launch, "-m", "tests.semantics.test_processes", str(tmp_path)], cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    first, second = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(2))
    alone = see(make_modules(), slice(0, 4))
    assert first.keys() == second.keys() == alone.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        torch.testing.assert_close(value, alone[name], atol=1e-5, rtol=1e-4, msg=name)
    assert first["shuffled.count"] == 4 * STEPS and first["whitened.count"] == STEPS
    assert first["shuffled.kept"].flatten(1).any(dim=1).tolist() == [place < 4 * STEPS for place in range(32)]


def test_a_process_by_itself_has_what_it_gave():
    values = torch.rand(2, 3)
    assert mean_over_processes(values) is values and gathered_from_processes(values) is values


if __name__ == "__main__":
    work(sys.argv[1])
