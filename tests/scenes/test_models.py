import json
import shutil

import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY
from safetensors.torch import save_file
from torch import nn

from segsr_arch.capabilities import Capabilities
from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError, DataError, DependencyError
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.export.program import export_program
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.scenes.network import named_models, programs, weights_files
from segsr_arch.scenes.network.models import resolve_model
from segsr_arch.windows import Window
from tests import networks
from tests.evaluation.test_trained_network import write_test_options
from tests.named_models.models import forget_models

WINDOW = [Window(height=20, width=24)]
TILE = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
MSR = {"type": "MSRResNet", **networks.NETWORKS["MSRResNet"]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_an_option_file_gives_what_the_test_loop_gives_to_the_last_bit(here):
    path = write_test_options(here)
    resolved = resolve_model(opt=path, device="cpu")
    assert torch.equal(resolved.model(TILE, WINDOW), load_trained(path, device="cpu")(TILE))
    assert resolved.tile is None and (resolved.model.name, resolved.model.scale) == ("tiny", 2)


def test_the_data_sets_of_an_option_file_are_not_needed(here):
    path = write_test_options(here)
    content = yaml.safe_load(path.read_text())
    content["datasets"]["test"] |= {"dataroot_gt": "nowhere/HR", "dataroot_lq": "nowhere/LR"}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ConfigError, match="nowhere/HR does not exist"):
        load_trained(path)
    assert resolve_model(opt=path, device="cpu").model.scale == 2


def test_tiles_of_the_option_file_are_handed_over_and_not_made_within(here):
    whole = load_trained(write_test_options(here))(TILE)
    path = write_test_options(here, tile={"size": 8, "overlap": 2, "batch": 3})
    assert not torch.equal(load_trained(path)(TILE), whole)
    resolved = resolve_model(opt=path, device="cpu")
    assert resolved.tile == TileOptions(size=8, overlap=2, batch=3)
    assert torch.equal(resolved.model(TILE, WINDOW), whole)


def test_option_files_are_changed_as_elsewhere(here):
    path = write_test_options(here)
    assert resolve_model(opt=path, device="cpu", force_yml=["name=other"]).model.name == "other"
    with pytest.raises(ConfigError, match="--force_yml: changes an option file, and --model bicubic:2 is none"):
        resolve_model(model="bicubic:2", force_yml=["name=other"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_autocast_is_near_and_another_model(here, precision):
    path = write_test_options(here)
    plain, amp = resolve_model(opt=path, device="cpu").model, resolve_model(opt=path, device="cpu", amp=precision).model
    one, other = plain(TILE, WINDOW), amp(TILE, WINDOW)
    assert other.dtype == torch.float32 and not torch.equal(one, other)
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)
    assert amp.identity == {**plain.identity, "amp": precision}


def test_an_exported_checkpoint_is_taken_by_its_option_file_or_its_weights(here):
    path = write_test_options(here)
    assert main(["export", "-opt", str(path), "--precision", "fp32", "--out", "out", "--device", "cpu"]) == 0
    by_options = resolve_model(model="out/tiny_fp32.yml", device="cpu").model
    by_weights = resolve_model(model="out/tiny_fp32.pth", device="cpu").model
    sr = by_options(TILE, WINDOW)
    assert torch.equal(by_weights(TILE, WINDOW), sr) and by_options.identity == by_weights.identity
    torch.testing.assert_close(sr, resolve_model(opt=path, device="cpu").model(TILE, WINDOW), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_programs_are_run_by_what_can_run_them(here, kind):
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    network = networks.make("EDSR")
    path = export_program(network, stem=here / "edsr", kind=kind, description={"name": "My EDSR"}).path
    model = resolve_model(model=str(path), device="cpu").model
    assert (model.scale, model.name) == (2, "My EDSR" if kind == "torch" else "edsr")
    with torch.no_grad():
        torch.testing.assert_close(model(TILE, WINDOW), network(TILE), atol=1e-4, rtol=0)
    assert model.identity["backend"] == ("torch" if kind == "torch" else "onnxruntime")
    assert json.loads(json.dumps(model.identity)) == model.identity
    with pytest.raises(ConfigError, match="--backend openvino: edsr.pt2 is run by torch|--amp|leave out"):
        resolve_model(model=str(path), **({"backend": "openvino"} if kind == "torch" else {"amp": "bf16"}))


@pytest.mark.parametrize(("name", "scale"), [("bicubic:4", 4), ("Bicubic:3", 3), ("bicubic:1", 1)])
def test_bicubic_has_a_name_and_a_scale(name, scale):
    model = resolve_model(model=name).model
    assert (model.name, model.scale) == (name.lower(), scale)
    from segsr_arch.archs.bicubic_arch import Bicubic

    assert torch.equal(model(TILE, WINDOW), Bicubic(upscale=scale)(TILE))


def test_a_network_of_ones_own_that_learns_nothing_has_a_name(monkeypatch):
    class Nearest(nn.Module):
        capabilities = Capabilities(takes_any_size=True, learns=False)

        def __init__(self, *, scale):
            super().__init__()
            self.scale = scale

        def forward(self, lq):
            return lq.repeat_interleave(self.scale, -2).repeat_interleave(self.scale, -1)

    monkeypatch.setitem(ARCH_REGISTRY._obj_map, "Nearest", Nearest)
    assert set(named_models.known_names()) == {"bicubic", "nearest"}
    assert resolve_model(model="nearest:3").model(TILE, WINDOW).shape == (1, 3, 60, 72)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Give either the option file of a test"),
        ({"default_scale": 2}, "There is no network aerial_x2. Give either the option file of a test"),
        ({"opt": "a.yml", "model": "bicubic:2"}, "Give either the option file of a test"),
        ({"model": "bicubic"}, "--model bicubic: give the scale with the name, a whole number, as in bicubic:4"),
        ({"model": "bicubic:0"}, "give the scale"),
        ({"model": "bicubic:1.5"}, "give the scale"),
        ({"model": "bicubik:4"}, "neither a file nor a name; did you mean bicubic"),
        ({"model": "HAT"}, "HAT has weights; give -opt"),
        ({"model": "there/is.none"}, "there is no such file"),
        ({"model": "none.pth"}, "there is no such file"),
        ({"model": "bicubic:2", "device": "tpu"}, "--device: 'tpu' is not known"),
        ({"model": "bicubic:2", "device": "cuda:99"}, "--device cuda:99: torch sees .* use --device cpu"),
        ({"model": "bicubic:2", "amp": "int8"}, "--amp: 'int8' is not known; use bf16 or fp16"),
        ({"model": "bicubic:2", "backend": "tensorrt"}, "--backend: 'tensorrt' is not known; use torch, onnxruntime"),
        ({"model": "bicubic:2", "backend": "openvino", "amp": "bf16"}, "--amp bf16: is for --backend torch"),
    ],
)
def test_what_is_not_known_is_said(here, monkeypatch, given, message):
    forget_models(here, monkeypatch)
    with pytest.raises(ConfigError, match=message):
        resolve_model(**given)


@pytest.mark.parametrize("name", ["none.onnx", "none.pt2"])
def test_programs_that_are_not_there_or_broken_are_named(here, name):
    pytest.importorskip("onnxruntime")
    with pytest.raises(DataError, match=f"--model {name}: there is no such file"):
        resolve_model(model=name, device="cpu")
    (here / name).write_bytes(b"no program")
    with pytest.raises(DataError, match=name):
        resolve_model(model=name, device="cpu")


def save(network, path, ending):
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending == "safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save({"params": network.state_dict()}, path)
    return path


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_that_spandrel_recognises_are_enough(here, ending):
    pytest.importorskip("spandrel")
    network = networks.make("SRVGGNetCompact")
    path = save(network, here / f"weights.{ending}", ending)
    model = resolve_model(model=str(path), device="cpu").model
    assert (model.name, model.scale) == ("weights", 2)
    with torch.no_grad():
        torch.testing.assert_close(model(TILE, WINDOW), network(TILE).clamp(0, 1), atol=1e-5, rtol=0)


def test_a_checkpoint_of_training_needs_its_option_file(here):
    options = write_test_options(here)
    weights = here / "models/net_g_1.pth"
    with pytest.raises(ConfigError, match=r"a checkpoint of a guided network.*give -opt .*test\.yml, which names this"):
        resolve_model(model=str(weights), device="cpu")
    (here / "options").mkdir()
    shutil.move(options, here / "options/test_it.yml")
    with pytest.raises(ConfigError, match=r"give -opt options/test_it\.yml"):
        resolve_model(model=str(weights), device="cpu")
    content = yaml.safe_load((here / "options/test_it.yml").read_text())
    (here / "options/test_it.yml").write_text(yaml.safe_dump({**content, "train": {}}))
    with pytest.raises(ConfigError, match=r"--force_yml path:pretrain_network_g=.*net_g_1.pth; none that names this"):
        resolve_model(model=str(weights), device="cpu")


def test_weights_of_no_known_network_need_an_option_file(here, monkeypatch):
    pytest.importorskip("spandrel")
    path = save(nn.Linear(3, 3), here / "linear.pth", "pth")
    with pytest.raises(ConfigError, match="no network that spandrel knows has such weights. Instead, give -opt"):
        resolve_model(model=str(path), device="cpu")
    monkeypatch.setattr(weights_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="spandrel, which recognises .*, is not installed. Instead, give -opt"):
        resolve_model(model=str(path), device="cpu")


def test_a_missing_backend_is_said_with_what_installs_it(here, monkeypatch):
    path = write_test_options(here, network=dict(MSR))
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"pip install 'segsr-arch\[openvino\]'"):
        resolve_model(opt=path, device="cpu", backend="openvino")
