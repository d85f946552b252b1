"""With random weights: the values mean nothing, but how they are computed can be checked."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics
import torchvision

from segsr_arch.errors import WeightsError
from segsr_arch.metrics import pretrained
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.images import to_tensor
from tests.metrics.backbones import write_alexnet
from tests.support import make_image

CPU = torch.device("cpu")
FILES = {
    "lpips": "alexnet-owt-7be5be79.pth",
    "dists": "vgg16-397923af.pth",
    "kid": "weights-inception-2015-12-05-6726825d.pth",
}


def noisy(image, strength):
    noise = np.random.default_rng(0).normal(0, strength, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_distances(random_hub, name):
    measure = find_metric(name).load(device=CPU)
    gt = make_image(0, 48, 40)
    assert measure(gt, gt, None, 4) == pytest.approx(0, abs=1e-6)
    weak, strong = (measure(noisy(gt, strength), gt, None, 4) for strength in (5, 60))
    assert 0 < weak < strong
    assert measure(gt, noisy(gt, 60), None, 4) == pytest.approx(strong, abs=1e-6)  # both are symmetric
    wide = [image.astype(np.uint16) * 257 for image in (noisy(gt, 60), gt)]
    assert measure(*wide, None, 4) == pytest.approx(strong, abs=1e-6)
    assert f"torchmetrics {torchmetrics.__version__}" in measure.backend


def test_lpips_by_hand(random_hub):
    """Weighted squared differences of AlexNet's features after each ReLU, each of length 1 over the channels."""
    alexnet = torchvision.models.alexnet()
    alexnet.load_state_dict(torch.load(random_hub / "hub" / "checkpoints" / FILES["lpips"]))
    folder = Path(torchmetrics.functional.image.lpips.__file__).parent
    weights = torch.load(folder / "lpips_models" / "alex.pth", map_location="cpu")
    gt = make_image(1, 40, 50)
    sr = noisy(gt, 30)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450])
    )  # of images in [-1, 1]
    features = torch.cat([(2 * to_tensor(image, device=CPU) - 1 - mean) / std for image in (sr, gt)])
    total, stage = 0.0, 0
    for layer in alexnet.features[:-1]:
        # ReLU works in place on what the layer before returned, so a copy is safe only afterwards
        features = layer(features)
        if isinstance(layer, torch.nn.ReLU):
            unit = features / features.norm(dim=1, keepdim=True).clamp(min=1e-10)
            weight = weights[f"lin{stage}.model.1.weight"]
            total += ((unit[:1] - unit[1:]) ** 2 * weight).sum(dim=1).mean().item()
            stage += 1
    assert find_metric("lpips").load(device=CPU)(sr, gt, None, 4) == pytest.approx(total, rel=1e-4)


def test_dists_looks_at_r_g_b(random_hub):
    """Exchanging red and blue of both images must matter to a network that was trained on R, G, B."""
    measure = find_metric("dists").load(device=CPU)
    gt = make_image(0, 32, 32)
    sr = noisy(gt, 40)
    assert measure(sr, gt, None, 4) != pytest.approx(measure(sr[..., ::-1], gt[..., ::-1], None, 4), abs=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_without_network_the_file_and_its_place_are_named_at_once(empty_hub, monkeypatch, name):
    def unreachable(source):
        assert source["url"].endswith(FILES[name])
        raise OSError("Network is unreachable")

    monkeypatch.setattr(pretrained, "require_network", unreachable)
    with pytest.raises(WeightsError) as caught:
        find_metric(name).load(device=CPU)
    message = str(caught.value)
    assert message.startswith(f"{name}: its weights {empty_hub / 'hub' / 'checkpoints' / FILES[name]} are missing")
    assert "Network is unreachable" in message and f"$TORCH_HOME/hub/checkpoints/{FILES[name]}" in message
    assert "https://" in message and "\n" not in message


def test_broken_file(empty_hub):
    path = write_alexnet(empty_hub)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        WeightsError, match="lpips: its weights cannot be loaded. .*alexnet.*cut short.* Delete the file"
    ):
        find_metric("lpips").load(device=CPU)
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        find_metric("lpips").load(device=CPU)


def test_a_download_writes_lines_not_bars(tmp_path, empty_hub, monkeypatch, capsys):
    source = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(250_000)}, source)
    monkeypatch.setattr(pretrained, "require_network", lambda source: None)
    with pretrained.hub_file(source.as_uri(), metric="lpips") as path:
        torch.hub.load_state_dict_from_url(source.as_uri())
    assert path.read_bytes() == source.read_bytes()
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "%" in each]
    assert line.startswith("100% 1.00M/1.00M [00:0") and line.endswith("B/s]") and "\r" not in line
