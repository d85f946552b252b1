"""``segsr prepare --degradation``: degraded test sets that are the same whoever makes them, and say how."""

import json

import cv2
import numpy as np
import pytest
from basicsr.data import build_dataset

from segsr_arch.cli import segsr
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import DataError
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.run import prepare
from tests.preparation.test_preparation import make_source, options, snapshot

ANISO = [{"type": "anisotropic", "l1": [0.5, 3], "l2": [0.5, 3]}, {"type": "noise", "sigma": [5, 25]}]
DEGRADATION = FixedDegradation(given=ANISO, seed=3)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """A prepared data set, its outcome and its files."""
    root = tmp_path_factory.mktemp("made")
    outcome = prepare(options(source, root, degradation=DEGRADATION))
    return root, outcome, snapshot(root)


def sidecars(files):
    return {name: json.loads(content) for name, content in files.items() if "/degradation_x4/" in name}


def test_a_file_beside_each_image_says_what_made_it(made):
    root, _, files = made
    beside = sidecars(files)
    assert {name.replace("degradation", "LR").replace(".json", ".png") for name in beside} == {
        name for name in files if "/LR_x4/" in name
    }
    kernels = set()
    for name, facts in beside.items():
        assert facts["image"] == name.rpartition("/")[2].removesuffix(".json") and facts["seed"] == 3
        kernel = np.float32(facts["kernel"])
        assert kernel.shape == (21, 21) and kernel.sum() == pytest.approx(1, abs=1e-5)
        kernels.add(kernel.tobytes())
        blur, _, noise = facts["steps"]
        assert 0.5 <= blur["l1"] <= 3 and facts["noise"] == noise["sigma"] and 5 <= facts["noise"] <= 25
        hr, lr = (
            cv2.imread(str(root / name.replace("degradation", kind).replace("json", "png"))) for kind in ("HR", "LR")
        )
        blurred = cv2.filter2D(hr.astype(float), -1, kernel.astype(float), borderType=cv2.BORDER_REFLECT_101)
        difference = lr - make_lr(np.rint(blurred).clip(0, 255).astype(np.uint8), 4).astype(float)
        inside = (lr > 0) & (lr < 255)
        assert difference[inside].std() == pytest.approx(facts["noise"], rel=0.25)
    assert len(kernels) == len(beside) == 10


def test_processes_and_order_change_nothing(made, source, tmp_path):
    prepare(options(source, tmp_path, degradation=DEGRADATION, jobs=2))
    assert snapshot(tmp_path) == made[2]


def test_a_data_set_degrades_as_the_prepared_files_are(made):
    root, _, _ = made
    given = {"name": "gt", "type": "BlindPairedDataset", "phase": "val", "scale": 4}
    given |= {"degradation": ANISO, "degradation_seed": 3}
    for ending, kind in (("", "disk"), (".lmdb", "lmdb")):
        read = {"dataroot_gt": str(root / f"val/HR_x4{ending}"), "io_backend": {"type": kind}}
        items = list(build_dataset({**given, **read}))
        assert len(items) == 4
        for item in items:
            name = item["gt_path"].rpartition("/")[2].removesuffix(".png")
            lr = cv2.imread(str(root / f"val/LR_x4/{name}.png"))[..., ::-1]
            assert np.array_equal(np.rint(item["lq"].numpy().transpose(1, 2, 0) * 255), lr)
            facts = json.loads((root / f"val/degradation_x4/{name}.json").read_text())
            assert np.array_equal(item["kernel"][0].numpy(), np.float32(facts["kernel"]))
            assert item["noise_level"].item() == pytest.approx(facts["noise"])


def test_it_goes_on_and_makes_again_what_is_gone_or_was_changed(source, tmp_path):
    wanted = options(source, tmp_path, degradation=DEGRADATION)
    prepare(wanted)
    before = snapshot(tmp_path)
    assert prepare(wanted).written == {}
    folder = tmp_path / "val/degradation_x4"
    first, second, *_ = sorted(folder.iterdir())
    first.unlink()
    second.write_text("{}")
    assert prepare(wanted).written == {4: 2}
    assert snapshot(tmp_path) == before


def test_the_manifest_says_what_was_done_and_its_digest_depends_on_it(made, source, tmp_path):
    _, outcome, files = made
    manifest = outcome.manifest
    assert manifest["settings"]["degradation"] == {"steps": ANISO, "seed": 3}
    assert f"LR, from that HR: {DEGRADATION.chain(4).words()} Drawn from seed 3" in manifest["protocol"]
    assert all(len(image["outputs"]["x4"]["degradation"]["sha256"]) == 64 for image in manifest["images"])
    other = prepare(options(source, tmp_path, degradation=FixedDegradation(given=ANISO, seed=4))).manifest
    assert other["data_digest"] != manifest["data_digest"]
    drawn = [facts["noise"] for facts in sidecars(snapshot(tmp_path)).values()]
    assert not set(drawn) & {facts["noise"] for facts in sidecars(files).values()}


@pytest.mark.parametrize(
    "changed", [None, FixedDegradation(given=ANISO, seed=4), FixedDegradation(given="iso", seed=3)]
)
def test_another_degradation_needs_another_folder(made, source, changed):
    root, _, files = made
    with pytest.raises(DataError, match="was prepared with other settings .*degradation"):
        prepare(options(source, root, degradation=changed))
    assert snapshot(root) == files


def test_what_is_no_longer_in_the_source_goes_with_its_file(tmp_path):
    source = make_source(tmp_path / "src")
    wanted = options(source, tmp_path / "dst", degradation=DEGRADATION, test=0, val=5)
    prepare(wanted)
    (source / "a/a00.png").unlink()
    prepare(wanted)
    names = [path.stem for path in (tmp_path / "dst").rglob("degradation_x4/*")]
    assert len(names) == 9 and "a00" not in names


def run(source, root, *arguments):
    command = ["prepare", "folder", str(source), str(root), "--patch", "8", "--jobs", "1", "--no-lmdb", *arguments]
    return segsr.main(command)


def test_the_command_takes_a_name_or_a_file(source, tmp_path, capsys):
    (tmp_path / "own.yml").write_text(f"degradation: {json.dumps(ANISO)}\n")
    assert run(source, tmp_path / "one", "--degradation", "aniso") == 0
    assert run(source, tmp_path / "two", "--degradation", str(tmp_path / "own.yml"), "--degradation-seed", "3") == 0
    settings = json.loads((tmp_path / "two/manifest.json").read_text())["settings"]
    assert settings["degradation"] == {"steps": ANISO, "seed": 3}
    steps = json.loads((tmp_path / "one/manifest.json").read_text())["settings"]["degradation"]["steps"]
    assert [step["type"] for step in steps] == ["anisotropic", "reduce", "noise"]


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (None, ["--degradation", "anios"], "anios is neither a file (.yml) nor a chain; did you mean aniso?"),
        (None, ["--degradation", "gone.yml"], "gone.yml: there is no such option file"),
        (None, ["--degradation-seed", "1"], "--degradation-seed: there is nothing to draw without --degradation"),
        (None, ["--degradation", "iso", "--scale", "8"], "--degradation: degradation: isotropic: sigma: must be given"),
        (
            "- {type: noise}",
            ["--degradation", "own.yml"],
            "a chain is written as `degradation: [{type: isotropic}, ...]`",
        ),
        ("noise: 3", ["--degradation", "own.yml"], "own.yml: expected one key, degradation:, with a list of steps"),
        (
            "degradation: [{type: noise, sgima: 3}]",
            ["--degradation", "own.yml"],
            "own.yml: degradation: noise: sgima is",
        ),
    ],
)
def test_what_is_no_degradation_stops_before_anything_is_written(
    source, tmp_path, monkeypatch, capsys, content, arguments, words
):
    monkeypatch.chdir(tmp_path)
    if content:
        (tmp_path / "own.yml").write_text(content)
    assert run(source, "dst", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "dst").exists()
