import re
import time

import pytest
import torch
from torch import nn

from segsr_arch.errors import ConfigError
from segsr_arch.export.program import TOLERANCE, export_program
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.scenes.network.backends import BackendChoice, with_backend
from segsr_arch.scenes.network.models import resolve_model
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.windows import Window
from tests import networks
from tests.evaluation.test_trained_network import write_test_options

SCENE = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
TILE = TileOptions(size=16, overlap=4)
WINDOWS = [Window(height=16, width=16), Window(top=3, left=5, height=16, width=16)]
TILES = torch.stack([SCENE[(..., *window.slices)] for window in WINDOWS])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/segsr/backends"


def ready(model):
    return model.for_scene(lambda window: SCENE[(..., *window.slices)], height=40, width=50)


class Slow(nn.Module):
    """Repeats each pixel, and takes its time."""

    def forward(self, images):
        time.sleep(0.02)
        return images.repeat_interleave(2, -2).repeat_interleave(2, -1)


def quick(images, error=0.0):
    return images.repeat_interleave(2, -2).repeat_interleave(2, -1) + error


def choice(runners, wanted="auto", asked=None):
    """A choice between ``Slow`` and runners, which are there by name; ``asked`` notes which are made."""

    def make(names):
        if asked is not None:
            asked.append(tuple(names))
        return {name: runners[name] for name in names}

    inner = as_scene_model(Slow()).inner
    return BackendChoice(inner, reference="torch", others=tuple(runners), make=make, wanted=wanted, tile=TILE)


def test_the_fastest_is_taken_and_said_with_its_times(cache):
    model = ready(as_scene_model(choice({"onnxruntime": quick, "openvino": Slow()})))
    assert model.identity == {**as_scene_model(Slow()).identity, "backend": "onnxruntime"}
    (note,) = model.notes
    times = r"torch [\d.]+ ms, onnxruntime [\d.]+ ms, openvino [\d.]+ ms with \d+ threads?"
    assert re.fullmatch(f"Slow: backend onnxruntime; a tile of 16 x 16 takes {times}", note)
    assert torch.equal(model(TILES, WINDOWS), quick(TILES))
    assert len(list(cache.iterdir())) == 1


def test_what_was_asked_for_tells_jobs_apart_before_a_scene_is_known():
    asked = {wanted: choice({"openvino": quick}, wanted=wanted).identity for wanted in ("auto", "openvino")}
    plain = as_scene_model(Slow()).identity
    assert all(identity == {**plain, "backend": wanted} for wanted, identity in asked.items())


def test_workers_that_choose_at_the_same_time_do_the_same():
    def one_is_faster(names):
        ready(choice({"onnxruntime": quick, "openvino": Slow()}))
        return {"onnxruntime": Slow(), "openvino": quick}

    model = choice({"onnxruntime": quick, "openvino": quick})
    model._make = one_is_faster
    assert ready(model).identity["backend"] == "onnxruntime"


def test_a_choice_is_remembered_so_that_a_job_goes_on_with_the_same(cache):
    first = ready(choice({"onnxruntime": quick, "openvino": Slow()}))
    asked = []
    again = ready(choice({"onnxruntime": Slow(), "openvino": quick}, asked=asked))  # which would be faster now
    assert asked == [("onnxruntime",)] and (again.identity, again.notes) == (first.identity, first.notes)
    (file,) = cache.iterdir()
    file.write_text("{")
    assert ready(choice({"onnxruntime": Slow(), "openvino": quick})).identity["backend"] == "openvino"


def test_torch_stays_what_it_is_where_it_is_the_fastest():
    model = choice({"onnxruntime": Slow(), "openvino": Slow()})
    model.inner.network = quick
    chosen = ready(model)
    assert chosen.identity == model.inner.identity and "backend torch; a tile" in chosen.notes[0]
    assert torch.equal(chosen(TILES, WINDOWS), quick(TILES)) and model.inner.notes == ()


@pytest.mark.parametrize("error", [2 * TOLERANCE, float("nan")])
def test_another_result_is_never_taken(error, caplog):
    runners = {"onnxruntime": lambda images: quick(images, error), "openvino": quick}
    assert ready(choice(runners)).identity["backend"] == "openvino"
    assert "Slow: onnxruntime differs from torch by" in caplog.text and "it is not used" in caplog.text
    with pytest.raises(ConfigError, match="--backend onnxruntime: Slow differs from torch by .* Leave it out"):
        ready(choice(runners, wanted="onnxruntime"))


def test_a_backend_that_is_asked_for_is_taken_though_it_is_slower():
    model = ready(choice({"openvino": lambda images: quick(images, 0.5 * TOLERANCE)}, wanted="openvino"))
    assert model.identity["backend"] == "openvino" and "backend openvino; a tile" in model.notes[0]


class Asking(nn.Module):
    """A network that no program can be made of, since it asks for values."""

    scale = 2

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return quick(images) * (self.weight if float(images.sum()) > 0 else 0)


def test_a_network_that_cannot_be_exported_is_run_by_torch_and_the_reason_is_said():
    pytest.importorskip("onnxruntime")
    model = ready(with_backend(as_scene_model(Asking()), "auto", tile=TILE))
    assert "backend torch, since network_g: Asking cannot become a program" in model.notes[0]
    assert model.identity == as_scene_model(Asking()).identity
    assert torch.equal(model(TILES, WINDOWS), quick(TILES))
    with pytest.raises(ConfigError, match="--backend onnxruntime: network_g: Asking cannot become a program"):
        ready(with_backend(as_scene_model(Asking()), "onnxruntime", tile=TILE))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "auto"])
def test_backends_give_what_torch_gives_for_any_number_and_size_of_tiles(tmp_path, monkeypatch, backend):
    for package in ("onnxruntime", "openvino", "onnxscript"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    path = write_test_options(tmp_path, network={"type": "MSRResNet", **networks.NETWORKS["MSRResNet"]})
    torch_model = resolve_model(opt=path, device="cpu").model
    model = ready(resolve_model(opt=path, device="cpu", backend=backend).model)
    assert backend == "auto" or model.identity["backend"] == backend
    for count, height, width in ((2, 16, 16), (1, 16, 16), (3, 7, 9), (1, 1, 5), (4, 16, 16), (2, 20, 16)):
        tiles, windows = torch.rand(count, 3, height, width), [Window(height=height, width=width)] * count
        torch.testing.assert_close(model(tiles, windows), torch_model(tiles, windows), atol=TOLERANCE, rtol=0)


def test_an_onnx_file_is_run_by_the_fastest(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    network = networks.make("MSRResNet")
    path = export_program(network, stem=tmp_path / "program", kind="onnx", description={}).path
    model = ready(resolve_model(model=str(path), backend="auto").model)
    assert "onnxruntime" in model.notes[0] and "openvino" in model.notes[0] and "torch" not in model.notes[0]
    assert model.identity["backend"] in ("onnxruntime", "openvino")
    with torch.no_grad():
        torch.testing.assert_close(model(TILES, WINDOWS), network(TILES), atol=TOLERANCE, rtol=0)
    for backend in ("onnxruntime", "openvino"):
        chosen = resolve_model(model=str(path), backend=backend).model
        torch.testing.assert_close(chosen(TILES, WINDOWS), model(TILES, WINDOWS), atol=TOLERANCE, rtol=0)


def test_what_has_no_other_backend_says_so():
    model = as_scene_model(quick)
    assert with_backend(model, "auto", tile=TILE) is model
    assert model.notes == ("quick: backend torch, since it is no network of torch",)
    with pytest.raises(ConfigError, match="--backend openvino: cannot run quick, since it is no network of torch"):
        with_backend(as_scene_model(quick), "openvino", tile=TILE)
    with_amp = as_scene_model(Slow(), amp="bf16")
    assert with_backend(with_amp, "auto", tile=TILE).notes == ("Slow: backend torch, since the others know no --amp",)
