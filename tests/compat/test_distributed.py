import re
import socket

import pytest
import torch
from basicsr.utils.dist_util import init_dist

from segsr_arch.errors import ConfigError
from tests.compat.helpers import make_lmdb, make_pairs, run_python, write_options

SCRIPT = """\
import segsr_arch
import torch
from basicsr.train import train_pipeline

if __name__ == "__main__":
    train_pipeline({root!r})
    print("backend", torch.distributed.get_backend(), torch.distributed.get_world_size())
    torch.distributed.destroy_process_group()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def launched(monkeypatch):
    """Environment of the only process of a launcher."""
    variables = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.multiprocessing, "get_start_method", lambda allow_none: "fork")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield monkeypatch
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.cuda.is_available(), reason="fails only without a GPU")
def test_stock_divides_by_the_number_of_gpus(launched, stock):
    with pytest.raises(ZeroDivisionError):
        stock("basicsr.utils.dist_util").init_dist("pytorch")


def test_gloo_without_a_gpu_and_ddp_on_the_cpu(launched, tmp_path):
    from tests.compat.test_resume import make_model

    init_dist("pytorch")
    assert torch.distributed.get_backend() == "gloo"
    model = make_model(tmp_path)
    model.opt["dist"] = True
    network = model.model_to_device(torch.nn.Linear(2, 2))
    assert isinstance(network, torch.nn.parallel.DistributedDataParallel)
    network(torch.ones(1, 2)).sum().backward()


def test_slurm_on_the_cpu(launched, tmp_path):
    script = tmp_path / "scontrol"
    script.write_text("#!/bin/sh\nprintf '127.0.0.1\\nother\\n'\n")
    script.chmod(0o755)
    launched.setenv("PATH", str(tmp_path), prepend=":")
    for name, value in {"PROCID": 0, "NTASKS": 1, "LOCALID": 0, "NODELIST": "node[1-2]"}.items():
        launched.setenv(f"SLURM_{name}", str(value))
    launched.delenv("MASTER_ADDR")
    init_dist("slurm", backend="nccl", port=None)
    assert torch.distributed.get_backend() == "gloo"


def test_each_process_takes_the_gpu_of_its_local_rank(launched):
    chosen, groups = [], []
    launched.setattr(torch.cuda, "is_available", lambda: True)
    launched.setattr(torch.cuda, "device_count", lambda: 2)
    launched.setattr(torch.cuda, "set_device", chosen.append)
    launched.setattr(torch.distributed, "init_process_group", lambda **options: groups.append(options))
    launched.setenv("RANK", "2")
    launched.setenv("LOCAL_RANK", "1")
    init_dist("pytorch")
    assert chosen == [1] and groups == [{"backend": "cpu:gloo,cuda:nccl"}]
    launched.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match="at most 2"):
        init_dist("pytorch")


def test_more_processes_than_gpus_exchange_tensors_of_the_cpu(launched):
    chosen, groups = [], []
    launched.setattr(torch.cuda, "is_available", lambda: True)
    launched.setattr(torch.cuda, "device_count", lambda: 1)
    launched.setattr(torch.cuda, "set_device", chosen.append)
    launched.setattr(torch.distributed, "init_process_group", lambda **options: groups.append(options))
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        launched.setenv(name, value)
    init_dist("pytorch")
    assert chosen == [] and groups == [{"backend": "gloo"}]


@pytest.mark.parametrize(
    "launcher, message", [("pytorch", "RANK.*torchrun"), ("slurm", "SLURM_PROCID.*srun"), ("mpi", "unknown")]
)
def test_started_without_the_launcher(launched, launcher, message):
    launched.delenv("RANK")
    with pytest.raises(ConfigError, match=message):
        init_dist(launcher)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["torch.distributed.run", "torch.distributed.launch"])
def test_two_processes_train_validate_and_save(tmp_path, module):
    gt, lq = (make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in make_pairs(tmp_path))
    options = write_options(tmp_path / "a.yml", gt, lq, iterations=2, num_gpu=0)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(tmp_path)))
    launch = ["-m", module, "--nproc_per_node", "2", "--master_port", free_port(), script]
    process = run_python(*launch, "-opt", options, "--launcher", "pytorch", cwd=tmp_path, timeout=240)
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("backend gloo 2") == 2
    folder = tmp_path / "experiments" / "tiny"
    assert {path.name for path in (folder / "models").iterdir()} == {"net_g_2.pth", "net_g_latest.pth"}
    log = next(folder.glob("train_*.log")).read_text()
    assert len(re.findall(r"# psnr: \d+\.\d+", log)) == 2, "validation at iteration 2 and at the end, on rank 0 alone"
