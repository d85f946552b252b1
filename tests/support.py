"""What several test files need: small images, stand-ins, and processes that end with their test."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
_serial = itertools.count()


def make_image(seed, height=64, width=64, channels=3):
    """Draw a smooth random 8-bit image with edges: (height, width, channels), BGR, 0-255."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 8), max(2, width // 8), channels), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
    image[top : top + height // 3, left : left + width // 3] = rng.integers(0, 256, channels, dtype=np.uint8)
    return image


def write_image(path, image):
    """Write an image, making its folder; returns the path."""
    path = Path(path)
    os.makedirs(path.parent, exist_ok=True)
    assert cv2.imwrite(str(path), image), path
    return path


def runs(pid):
    """Whether a process is neither gone nor a zombie that nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_with(variable):
    """Running processes whose environment had ``NAME=value`` at their start, by id; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or belongs to somebody else
            if variable.encode() in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


@contextlib.contextmanager
def started(command, *, cwd, seconds=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    """Start a command; neither it nor anything that it starts outlives the block or so many seconds.

    Whoever reads its output needs no time limit: the output ends where the processes are killed.
    """
    # torchrun's workers are in sessions of their own and lose their parent if it is killed; a variable stays with them
    mark = f"tree-{os.getpid()}-{next(_serial)}"
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment}
    pipes = {"stdout": stdout, "stderr": stderr, "text": True}
    command = [str(part) for part in command]
    late = threading.Event()

    def end():
        if process.poll() is None:
            process.kill()
        killed = set()
        # a dying process gives up its memory, and with it the variable, before it has ended
        while (pids := processes_with(f"STARTED_BY_TEST={mark}")) or any(map(runs, killed)):
            killed.update(pids)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def end_late():
        late.set()
        end()

    variables["STARTED_BY_TEST"] = mark
    with subprocess.Popen(command, cwd=cwd, env=variables, start_new_session=True, **pipes) as process:
        timer = threading.Timer(seconds, end_late)
        timer.start()
        try:
            yield process
            assert not late.is_set(), f"killed, because it took more than {seconds} s: {' '.join(command)}"
        finally:
            timer.cancel()
            timer.join()  # if it has begun to kill, it alone knows whose end to wait for
            end()


def run_command(command, **options):
    """Run a command to its end, as :func:`started` starts it; returns the finished process, output as text."""
    with started(command, **options) as process:
        output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def know_to_pyiqa(monkeypatch, **modes):
    """Let a module stand in for pyiqa that knows metrics by name: ``NR`` without, ``FR`` with reference."""
    module, configs = types.ModuleType("pyiqa"), types.ModuleType("pyiqa.default_model_configs")
    configs.DEFAULT_CONFIGS = {name: {"metric_mode": mode} for name, mode in modes.items()}
    module.default_model_configs = configs
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", configs)


# A vision-language model that builds in milliseconds: 2 blocks of width 32, patches of 8, joint width 32.
TINY_VLM = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "quick_gelu": True,
}
TINY_SEMANTICS = {
    "vlm": TINY_VLM,
    "pretrained": None,
    "lora_rank": 2,
    "num_heads": 4,
    "modulation_channels": 8,
    "metanet_reduction": 4,
}
TINY_HAT = {
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "window_size": 8,
    "compress_ratio": 3,
    "squeeze_factor": 6,
}
TINY_HAUNET = {"width": 8, "encoders": [1, 1], "middle": 2, "decoders": [1, 1]}
TINY_SPT = {"embed_dim": 12, "depths": [1, 1], "num_heads": 3, "inner_dim": 8}
# A diffusion model that builds in a second, in the space of pixels; the UNet is to be trained.
TINY_DIFFUSION = {
    "autoencoder": {"type": "pixels", "factor": 4},
    "text": {"width": 16, "layers": 1, "heads": 2},
    "unet": {
        "block_out_channels": [16, 32],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "attention_head_dim": 4,
    },
    "schedule": {"prediction_type": "v_prediction"},
}
TINY_DIFFUSION_XL = {
    **TINY_DIFFUSION,
    "text": {"width": 16, "layers": 2, "heads": 2},
    "text_2": {"width": 24, "layers": 2, "heads": 2},
    "unet": {**TINY_DIFFUSION["unet"], "addition_time_embed_dim": 8},
}
TINY_MSSD = {
    "stable_diffusion": TINY_DIFFUSION,
    "trained": ["controlnet", "unet"],
    "base": "bicubic",
    "latent_std": 0.1,
    "sampler": {"steps": 2, "guidance": 2.0},
}
TINY_VLDM = {
    "stable_diffusion_xl": TINY_DIFFUSION_XL,
    "trained": ["controlnet", "unet"],
    "diffuses": "residual",
    "latent_std": 0.1,
    "sampler": {"steps": 2, "guidance": 2.0},
}
TINY_PIXEL_DIFFUSION = {
    "unet": {
        "block_out_channels": [16, 32],
        "down_block_types": ["DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D"],
        "layers_per_block": 1,
        "norm_num_groups": 8,
    },
    "sampler": {"steps": 2},
    "correction": "none",  # which has a gradient
}
