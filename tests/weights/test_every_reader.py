"""A flipped bit and code are found wherever weights are read, and the file is named."""

import pytest
import torch
from basicsr.train import load_resume_state

from segsr_arch.errors import SegsrError
from segsr_arch.guiding.base_weights import load_base_weights
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.vision_tower import build_vision_tower
from segsr_arch.weights.network_weights import read_weights
from segsr_arch.zoo.named_networks import build_base
from tests.compat.helpers import Payload
from tests.compat.test_resume import make_model, make_options, save
from tests.guiding.bases import base_options
from tests.semantics.test_vision_tower import tiny_clip
from tests.support import TINY_VLM


def checkpoint(folder):
    torch.save({"params": torch.nn.Linear(9, 9).state_dict()}, folder / "net.pth")
    return folder / "net.pth", lambda: read_weights(folder / "net.pth", "params")


def base(folder):
    path, network = folder / "edsr.pth", build_base(base_options("EDSR"))
    torch.save(network.state_dict(), path)
    return path, lambda: load_base_weights(network, str(path))


def vision_language_model(folder):
    path = folder / "clip.pt"
    torch.save(tiny_clip().state_dict(), path)
    return path, lambda: build_vision_tower(SemanticsConfig(vlm=TINY_VLM, pretrained=str(path)))


def resumed(folder, name):
    save(make_model(folder), 5)
    options = make_options(folder, auto_resume=False)
    options["path"]["resume_state"] = str(folder / "training_states/5.state")
    return folder / name, lambda: load_resume_state(options)


READERS = {
    "checkpoint": checkpoint,
    "base": base,
    "vision-language model": vision_language_model,
    "state": lambda folder: resumed(folder, "training_states/5.state"),
    "network of a state": lambda folder: resumed(folder, "models/net_g_5.pth"),
}


@pytest.mark.parametrize("reader", READERS)
def test_damage_and_code_are_found(tmp_path, reader):
    path, read = READERS[reader](tmp_path)
    read()
    content = path.read_bytes()
    for share in range(1, 40):
        damaged = bytearray(content)
        damaged[len(content) * share // 40] ^= 1 << share % 8
        path.write_bytes(damaged)
        with pytest.raises(SegsrError, match=rf"{path.name} cannot be read"):
            read()
    torch.save({"params": Payload(tmp_path / "ran")}, path)
    with pytest.raises(SegsrError, match=rf"{path.name} is refused because it could run code"):
        read()
    assert not (tmp_path / "ran").exists()
