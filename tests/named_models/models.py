"""Networks with names, written by a test."""

import torch
import yaml
from safetensors.torch import save_file

from segsr_arch.named_models import folders
from segsr_arch.weights.digests import file_digest


def forget_models(tmp_path, monkeypatch):
    """Let there be no models but those that a test writes: the user's below ``config``, the package's in ``package``.

    Returns:
        ``tmp_path``.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEGSR_MODELS", raising=False)
    monkeypatch.setattr(folders, "_OWN", tmp_path / "package")
    return tmp_path


def write_model(folder, name, **card):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"weight": torch.ones(3)}, folder / f"{name}.safetensors")
    content = {
        "name": name,
        "scale": 4,
        "network_g": {"type": "EDSR", "upscale": 4},
        "path": {"pretrain_network_g": f"segsr://{name}"},
        "card": {"sha256": file_digest(folder / f"{name}.safetensors"), **card},
    }
    (folder / f"{name}.yml").write_text(yaml.safe_dump(content))
    return folder / f"{name}.yml"
