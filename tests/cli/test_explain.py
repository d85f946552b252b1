import copy
import csv
import json
import os
import re
import sys

import numpy as np
import pytest
import torch
import yaml

from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.cli import segsr
from segsr_arch.errors import ConfigError, DataError, DependencyError
from segsr_arch.weights.digests import file_digest
from tests.support import TINY_HAT, TINY_SEMANTICS, TINY_VLM, make_image, write_image

pytest.importorskip("matplotlib")

TEXT = {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
CLASSES = ("river", "windTurbine")


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["explain", *map(str, arguments)]))


def semantics(**changes):
    return {**copy.deepcopy(TINY_SEMANTICS), "vlm": {**copy.deepcopy(TINY_VLM), "text_cfg": TEXT}, **changes}


def write_options(folder, *, network=None, root_lq="LR", name="opt.yml"):
    """Write a test's option file, its network, and images of two classes; returns the file."""
    network = network or {"upscale": 2, "semantics": semantics(), "drop_path_rate": 0.0, **TINY_HAT}
    for index in range(3):
        for number, class_name in enumerate(CLASSES):
            hr = make_image(10 * index + number, 32, 32)
            write_image(folder / "HR" / f"{class_name}{index}.png", hr)
            write_image(folder / "LR" / f"{class_name}{index}.png", hr[::2, ::2])
    options = {
        "name": "tiny",
        "model_type": "SeGSRModel",
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 5,
        "datasets": {
            "test": {
                "name": "made",
                "type": "PairedImageDataset",
                "dataroot_gt": str(folder / "HR"),
                "dataroot_lq": str(folder / root_lq),
                "io_backend": {"type": "disk"},
            }
        },
        "network_g": {"type": "SeGSR", **network},
        "path": {"strict_load_g": True},
        "val": {"save_img": False, "suffix": None},
    }
    if network.get("semantics"):
        torch.manual_seed(0)
        torch.save({"params": SeGSR(**network).state_dict()}, folder / "net.pth")
        options["path"] |= {"pretrain_network_g": str(folder / "net.pth"), "param_key_g": "params"}
    path = folder / name
    path.write_text(yaml.safe_dump(options))
    return path


@pytest.fixture
def option_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_options(tmp_path)


def test_over_the_test_data_sets(option_file, tmp_path, capsys):
    assert run("-opt", option_file, "--top", 2) == 0
    out = capsys.readouterr().out
    folder = tmp_path / "results/tiny/explanation"
    found = json.loads((folder / "explanation.json").read_text())
    # The warning stands wherever a word does.
    assert out.count("THE WORDS MEAN NOTHING") == 2
    assert "THE WORDS MEAN NOTHING" in found["warning"] and found["random_weights"] is True
    assert found["vlm"]["source"] == "random(0)"

    assert "tiny (x2) on 6 images of made; 2 classes" in out
    assert found["datasets"] == {"made": 6} and len(found["images"]) == 6
    assert [(entry["class"], entry["images"]) for entry in found["classes"]] == [("river", 3), ("windTurbine", 3)]
    assert found["images"][0]["name"] == "river0"
    assert "wind turbine" in found["vocabulary"]["terms"] and len(found["vocabulary"]["digest"]) == 64
    assert {"text", "patches", "cosine", "relative", "eta_squared"} <= set(found["definitions"])
    provenance = found["provenance"]
    assert provenance["checkpoint"] == {"path": str(tmp_path / "net.pth"), "sha256": file_digest(tmp_path / "net.pth")}
    assert provenance["seed"] == 5 and torch.__version__.startswith(provenance["versions"]["torch"])
    assert "RANDOM" in provenance["vlm"]

    # All scores in the files, the nearest in the table, and the figures fit together.
    first = found["units"][0]["embedding"]
    assert len(first) == len(found["vocabulary"]["terms"])
    cosines = [item["cosine"] for item in first]
    assert cosines == sorted(cosines, reverse=True)
    assert first[0]["relative"] == pytest.approx(cosines[0] - np.mean(cosines))
    row = f"{first[0]['term']} +{cosines[0]:.4f} +\\{first[0]['relative']:+.4f} "
    assert re.search(row, out)
    with open(folder / "units.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * len(first)
    assert rows[0] == {
        "unit": "1",
        "source": "embedding",
        "rank": "1",
        "term": first[0]["term"],
        "cosine": f"{cosines[0]:.6f}",
        "relative": f"{first[0]['relative']:.6f}",
    }
    with open(folder / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["unit"], row["class"], row["images"]) for row in rows] == [
        (unit, name, "3") for unit in "12" for name in CLASSES
    ]
    means = [image["map_mean"][1] for image in found["images"] if image["class"] == "river"]
    assert float(rows[2]["map_mean"]) == pytest.approx(np.mean(means), abs=1e-6)
    assert float(rows[2]["map_mean_std"]) == pytest.approx(np.std(means, ddof=1), abs=1e-6)
    assert (folder / "explanation.png").stat().st_size > 10_000 and (folder / "explanation.pdf").is_file()
    assert out.count("wrote results/tiny/explanation") == 5


def test_again_says_that_files_were_replaced_and_gives_the_same_scores(option_file, tmp_path, capsys):
    out = tmp_path / "out"
    image = tmp_path / "LR/river0.png"
    assert run("-opt", option_file, "--out", out, "--image", image) == 0
    units = (out / "units.csv").read_bytes()
    (out / "units.csv").write_text("old")
    os.remove(out / "classes.csv")
    capsys.readouterr()
    assert run("-opt", option_file, "--out", out, "--image", image) == 0
    said = capsys.readouterr().out
    assert f"replaced {out / 'units.csv'}" in said and f"wrote {out / 'classes.csv'}" in said
    assert (out / "units.csv").read_bytes() == units
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["classes.csv", "explanation.json", "explanation.pdf", "explanation.png", "units.csv"]
    )


def test_given_images_vocabulary_and_templates(option_file, tmp_path, capsys):
    image = write_image(tmp_path / "scene.png", make_image(1, 13, 21))
    terms = tmp_path / "terms.txt"
    terms.write_text("# mine\nice\nrock\n")
    out = tmp_path / "out"
    arguments = ("--image", image, "--vocabulary", terms, "--template", "{}", "--template", "much {}", "--out", out)
    assert run("-opt", option_file, *arguments) == 0
    said = capsys.readouterr().out
    assert "tiny (x2) on 1 image of the command line; 1 class" in said and "2 templates" in said
    found = json.loads((out / "explanation.json").read_text())
    assert found["vocabulary"]["terms"] == ["ice", "rock"] and found["vocabulary"]["templates"] == ["{}", "much {}"]
    assert found["classes"][0]["class"] == "" and found["units"][0]["eta_squared"] is None
    scores = {item["term"]: item for item in found["units"][1]["patches"]}
    assert scores["ice"]["relative"] == pytest.approx(-scores["rock"]["relative"])
    assert scores["ice"]["cosine_std"] is None


def test_trained_weights_carry_no_warning(tmp_path, monkeypatch, capsys):
    import open_clip

    monkeypatch.chdir(tmp_path)
    model = open_clip.CLIP(embed_dim=32, vision_cfg=TINY_VLM["vision_cfg"], text_cfg=dict(TEXT), quick_gelu=True)
    torch.save(model.state_dict(), tmp_path / "clip.pt")
    network = {"upscale": 2, "semantics": semantics(pretrained=str(tmp_path / "clip.pt")), **TINY_HAT}
    option_file = write_options(tmp_path, network=network)
    assert run("-opt", option_file, "--image", tmp_path / "LR/river0.png", "--out", "out") == 0
    found = json.loads((tmp_path / "out/explanation.json").read_text())
    assert found["warning"] is None and found["random_weights"] is False and found["vlm"]["source"] == "clip.pt"
    assert "RANDOM" not in capsys.readouterr().out


def test_without_text_cfg_the_error_says_what_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = {"upscale": 2, "semantics": semantics(vlm=TINY_VLM), **TINY_HAT}
    option_file = write_options(tmp_path, network=network)
    with pytest.raises(ConfigError, match="no text_cfg.*Add the text_cfg.*weights are random, so the words will mean"):
        run("-opt", option_file)
    assert not (tmp_path / "results").exists()


def test_a_network_without_a_guide_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    option_file = write_options(tmp_path, network={"type": "HAT", "upscale": 2, **TINY_HAT})
    with pytest.raises(ConfigError, match="HAT has no semantic guide.*type: SeGSR"):
        run("-opt", option_file)


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm"])
def test_a_guide_without_localization_is_refused_because_it_has_no_maps(tmp_path, monkeypatch, modules):
    monkeypatch.chdir(tmp_path)
    network = {"upscale": 2, "semantics": semantics(modules=modules), **TINY_HAT}
    option_file = write_options(tmp_path, network=network)
    message = (
        f"network_g: semantics: modules: {modules} has no localization, so its units have neither embeddings nor maps"
    )
    with pytest.raises(ConfigError, match=re.escape(message)):
        run("-opt", option_file)
    assert not (tmp_path / "results").exists()


IMPROVED = {"preset": "improved", "map_floor": 1e-4}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"modulation_residual": True, "learned_map_scale": True, "map_upsampling": "learned"}, []),
        ({"tokens": "centred"}, ["semantics: tokens: centred"]),
        ({"tokens": "reduced", "removed_components": 2}, ["and their first principal directions"]),
        ({**IMPROVED, "tokens": "whitened"}, ["semantics: tokens: whitened", "not what it is told"]),
        ({**IMPROVED, "earlier_tokens": 1}, ["of those 1 before", "not what it is told"]),
        ({**IMPROVED, "maps": "shuffled"}, ["not what it is told", "these are the images' own"]),
        ({"maps": "oracle"}, ["The vision tower sees the HR images"]),
    ],
    ids=str,
)
def test_what_differs_from_the_papers_guide_is_said_beside_the_words(tmp_path, monkeypatch, capsys, options, told):
    monkeypatch.chdir(tmp_path)
    network = {"upscale": 2, "semantics": semantics(**options), **TINY_HAT}
    assert run("-opt", write_options(tmp_path, network=network)) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "results/tiny/explanation/explanation.json").read_text())
    assert len(found["notes"]) == len(told) == out.count("Note: ")
    for note, words in zip(found["notes"], told, strict=True):
        assert words in note and f"Note: {note}" in out
    cosines = [item["cosine"] for unit in found["units"] for item in unit["embedding"]]
    assert np.isfinite(cosines).all() and np.abs(cosines).max() <= 1 + 1e-6


def test_what_an_oracle_or_nobody_sees_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = {"upscale": 2, "semantics": semantics(maps="zero"), **TINY_HAT}
    with pytest.raises(ConfigError, match="maps: zero: its units get maps of zeros, so there is nothing to explain"):
        run("-opt", write_options(tmp_path, network=network))
    network["semantics"]["maps"] = "oracle"
    with pytest.raises(ConfigError, match="maps: oracle: this guide sees the HR image, and there is none here"):
        run("-opt", write_options(tmp_path, network=network), "--image", tmp_path / "LR/river0.png")


def test_embeddings_that_no_image_changes_and_units_that_share_one_are_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spreads = {}
    for descriptors in ("p_i+p_g", "p_g+I_g"):
        network = {"upscale": 2, "semantics": semantics(descriptors=descriptors), **TINY_HAT}
        option_file = write_options(tmp_path, network=network)
        assert run("-opt", option_file, "--out", descriptors) == 0
        found = json.loads((tmp_path / descriptors / "explanation.json").read_text())
        first, second = (unit["embedding"] for unit in found["units"])
        spreads[descriptors] = max(item["cosine_std"] for item in first)
        assert (first == second) == (descriptors == "p_g+I_g")
    assert spreads["p_i+p_g"] == pytest.approx(0, abs=1e-6) and spreads["p_g+I_g"] > 1e-6


def test_a_missing_matplotlib_is_found_before_anything_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DependencyError, match="pip install matplotlib"):
        run("-opt", "gone.yml")


def test_wrong_arguments_are_found_before_anything_is_loaded(tmp_path, capsys):
    with pytest.raises(DataError, match="gone.txt: cannot be read as a vocabulary"):
        run("-opt", "gone.yml", "--vocabulary", tmp_path / "gone.txt")
    with pytest.raises(ConfigError, match="--template: 'a photo' must contain {}"):
        run("-opt", "gone.yml", "--template", "a photo")
    with pytest.raises(SystemExit):
        run("-opt", "gone.yml", "--top", "0")
    assert "'0' is not a whole number from 1" in capsys.readouterr().err


def test_images_that_cannot_be_used_are_named(option_file, tmp_path):
    with pytest.raises(DataError, match=r"--image: .*gone.png cannot be read \(No such file"):
        run("-opt", option_file, "--image", tmp_path / "gone.png")
    deep = write_image(tmp_path / "deep.png", make_image(0, 8, 8).astype(np.uint16) * 200)
    with pytest.raises(
        DataError, match="--image: .*deep.png: its values go from .* 16 bits a sample; say with --range"
    ):
        run("-opt", option_file, "--image", deep)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match="text.png does not decode: it is no image"):
        run("-opt", option_file, "--image", tmp_path / "text.png")


def test_the_other_images_are_explained_where_one_cannot_be_used(option_file, tmp_path, capsys):
    deep = write_image(tmp_path / "deep.png", make_image(0, 16, 16).astype(np.uint16) * 16)
    good = tmp_path / "LR/river0.png"
    assert run("-opt", option_file, "--out", tmp_path / "out", "--image", good, deep) == 1
    captured = capsys.readouterr()
    assert "on 1 image of the command line" in captured.out
    assert "problem: --image: " in captured.err and "deep.png" in captured.err
    assert run("-opt", option_file, "--out", tmp_path / "out", "--image", good, deep, "--range", "0", "4080") == 0
    assert f"{deep}: 16 bits a sample; 0..4080 became 0..255" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--range, --bands: are for --image"):
        run("-opt", option_file, "--bands", "3", "2", "1")
