"""Pretraining of a small vision-language model: what it trains on, what it writes, and who can load it."""

import json
import shutil
import socket
from collections import Counter
from pathlib import Path

import numpy as np
import pretrain_vit
import pretrain_vit_scenes
import pretrain_vit_training
import pytest
import torch
from pretrain_vit_scenes import Scene, draw_batches, draw_crop, read_manifest, read_scenes
from pretrain_vit_training import stretch_positions
from torch.nn import functional as F

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.errors import DataError
from segsr_arch.evaluation.vocabulary import build_vocabulary
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.options import PreparationOptions
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import published_lists, read_splits
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.text_tower import build_text_tower
from segsr_arch.semantics.vision_tower import build_vision_tower
from tests.support import TINY_VLM, make_image, write_image

COLORS = {"field": (40, 200, 40), "harbor": (220, 60, 60), "forest": (20, 60, 20)}  # BGR
MODEL = {
    **TINY_VLM,
    "vision_cfg": {**TINY_VLM["vision_cfg"], "image_size": 24},  # twice that is a whole image
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three classes that colour tells apart: 5 images a class to train on, 2 for validation, 1 for test."""
    folder = tmp_path_factory.mktemp("pretrain")
    for number, (group, color) in enumerate(COLORS.items()):
        for index in range(8):
            image = 0.4 * make_image(10 * number + index, 48, 48) + 0.6 * np.array(color)
            write_image(folder / "source" / group / f"{group}{index:02d}.png", image.astype(np.uint8))
    prepare(
        PreparationOptions(
            data_set=DATA_SETS["folder"],
            source=folder / "source",
            root=folder / "data",
            scales=(4,),
            split_files=None,
            val=2,
            test=1,
            patch=8,
            lmdb=False,
        )
    )
    (folder / "tiny.json").write_text(json.dumps(MODEL))
    return folder / "data"


@pytest.fixture
def copied(data, tmp_path):
    return Path(shutil.copytree(data, tmp_path / "data"))


def run(data, out, *options):
    model = data.parent / "tiny.json"
    model = model if model.is_file() else write_model(out.parent / "tiny.json")
    return pretrain_vit.main([str(data), str(out), "--model", str(model), *map(str, options)])


def write_model(path, **changes):
    path.write_text(json.dumps({**MODEL, **changes}))
    return path


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A model trained without a network and its record; gives the stem of its files."""
    out = tmp_path_factory.mktemp("trained") / "vlm"
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*args, **kwargs):
            raise AssertionError("asked for a network")

        patch.setattr(socket, "create_connection", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        assert run(data, out, "--epochs", 40, "--degraded", 0.5, "--lr", 0.002) == 0
    return out / "scene_vit"


def record_of(stem):
    return json.loads(Path(f"{stem}.record.json").read_text())


def manifest_of(root):
    return json.loads((root / "manifest.json").read_text())


def change_manifest(root, change):
    manifest = manifest_of(root)
    for image in manifest["images"]:
        change(image)
    (root / "manifest.json").write_text(json.dumps(manifest))


def semantics_of(stem, **options):
    return {"vlm": f"{stem}.json", "pretrained": f"{stem}.safetensors", **options}


def test_learns_to_tell_scenes_apart(trained):
    record = record_of(trained)
    accuracy = record["accuracy"]
    assert accuracy["chance"] == pytest.approx(1 / 3)
    for view in ("whole", "crop"):
        assert accuracy["trained"][view]["zero_shot"]["top1"] == 1.0
        assert accuracy["trained"][view]["knn"]["top1"] == 1.0
        assert accuracy["random"][view]["zero_shot"]["top1"] < 1.0
    assert len(record["loss_curve"]) == 40
    assert record["loss_curve"][-1] < 0.5 * record["loss_curve"][0]


def test_the_record_says_how_it_was_made(trained, data):
    record = record_of(trained)
    assert record["data"]["data_digest"] == manifest_of(data)["data_digest"]
    assert (record["data"]["train"]["images"], record["data"]["val"]["images"]) == (15, 6)
    assert record["seed"] == 0 and record["options"]["epochs"] == 40 and record["options"]["degraded"] == 0.5
    assert record["terms"] == {"field": "field", "forest": "forest", "harbor": "harbor"}
    assert "a satellite photo of {}." in record["templates"]
    identity = build_vision_tower(SemanticsConfig(**semantics_of(trained))).identity
    assert record["vision_digest"] == identity.digest and not identity.is_random


def test_the_network_and_the_words_load_from_the_files(trained):
    options = semantics_of(trained, lora_rank=2, num_heads=4, modulation_channels=8, metanet_reduction=4)
    base = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2, "upscale": 4}
    net = SemanticSR(base=base, units=2, semantics=options).eval()
    with torch.no_grad():
        assert net(torch.rand(1, 3, 12, 12)).shape == (1, 3, 48, 48)
    config = SemanticsConfig.from_options(options)
    tower = build_text_tower(config, beside=build_vision_tower(config).identity)
    words = tower(["a satellite photo of field.", "an aerial photo of field.", "a satellite photo of harbor."])
    assert words[0] @ words[1] > 0.8 > words[0] @ words[2]


def test_captions_are_spelled_as_the_words_of_explanations():
    names = sorted({name.split("/")[0] for name in read_splits(published_lists("ucmerced"))})
    scenes = [Scene(name=f"{name}0", label=name, pixels={}) for name in names]
    classes, captions = pretrain_vit.build_captions(scenes, scenes[:3])
    explained = build_vocabulary(path=None, class_names=names)
    assert classes == names and len(classes) == 21
    assert set(captions.terms) <= set(explained.terms)
    assert captions.terms[names.index("golfcourse")] == "golf course"
    assert set(captions.templates) == set(explained.templates)


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (["a", "b"], ["c"], "no training image is of its class c"),
        (["big_lake", "BigLake"], [], "both be called 'big lake'"),
    ],
)
def test_classes_that_cannot_be_told_apart_in_words_are_refused(train, val, message):
    train, val = ([Scene(name=f"{name}0", label=name, pixels={}) for name in names] for names in (train, val))
    with pytest.raises(DataError, match=message):
        pretrain_vit.build_captions(train, val)


def test_prints_the_yaml_that_uses_it(data, tmp_path, capsys):
    assert run(data, tmp_path / "vlm", "--epochs", 1, "--name", "mine") == 0
    printed = capsys.readouterr().out
    assert f'vlm: "{tmp_path}/vlm/mine.json"' in printed
    assert f'pretrained: "{tmp_path}/vlm/mine.safetensors"' in printed
    assert sorted(path.name for path in (tmp_path / "vlm").iterdir()) == [
        "mine.json",
        "mine.record.json",
        "mine.safetensors",
    ]


def test_the_seed_decides_and_nothing_else(data, tmp_path):
    digests = []
    for number, seed in enumerate((3, 3, 4)):
        assert run(data, tmp_path / str(number), "--epochs", 1, "--seed", seed) == 0
        torch.rand(7)
        digests.append(record_of(tmp_path / str(number) / "scene_vit")["checkpoint"]["sha256"])
    assert digests[0] == digests[1] != digests[2]


def test_opens_training_images_for_training_and_never_test(data, monkeypatch, tmp_path):
    opened = Counter()
    read = Path.read_bytes

    def watch(path):
        if path.suffix == ".png":
            opened[path.relative_to(data).parts[:2]] += 1
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", watch)
    drawn = set()
    crop = pretrain_vit_training.draw_crop
    monkeypatch.setattr(
        pretrain_vit_training, "draw_crop", lambda scene, **rest: drawn.add(scene.name) or crop(scene, **rest)
    )
    assert run(data, tmp_path / "vlm", "--epochs", 2, "--degraded", 1) == 0
    assert opened == {("train", "LR_x4"): 15, ("val", "LR_x4"): 6}
    assert drawn == {image["name"] for image in manifest_of(data)["images"] if image["split"] == "train"}


@pytest.mark.parametrize("where", ["list", "manifest name", "manifest pixels", "held out"])
def test_refuses_a_training_image_that_is_in_another_split(copied, tmp_path, capsys, where):
    images = manifest_of(copied)["images"]
    leak = next(image for image in images if image["split"] == "train")
    victim = next(image for image in images if image["split"] == "test")
    options = []
    if where == "list":
        with open(copied / "splits" / "val.txt", "a") as file:
            file.write(f"{leak['listed']}\n")
    elif where == "held out":
        (tmp_path / "more.txt").write_text(f"# never\n{leak['listed']}.tif\n")
        options = ["--held-out", tmp_path / "more.txt"]
    else:
        key = {"manifest name": "name", "manifest pixels": "sha256"}[where]
        change_manifest(copied, lambda image: image.update({key: leak[key]} if image == victim else {}))
    assert run(copied, tmp_path / "vlm", *options) == 2
    message = capsys.readouterr().err
    assert leak["listed"] in message and "must not be measured" in message
    assert not (tmp_path / "vlm").exists()


def test_refuses_an_image_that_is_not_the_manifests(copied, tmp_path, capsys):
    folder = copied / "train" / "LR_x4"
    path = sorted(folder.iterdir())[0]
    shutil.copy(sorted((copied / "test" / "LR_x4").iterdir())[0], path)
    assert run(copied, tmp_path / "vlm") == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "2"], "has no train image at x2"),
        (["--degraded", "1.5"], "--degraded"),
        (["--large", "-1"], "--large"),
        (["--batch", "1"], "two classes"),
        (["--name", "a/b"], "--name"),
        (["--scale", "5"], "image_size must be a multiple of the scale 5"),
        (["--lr", "1e9"], "lower --lr"),
    ],
)
def test_says_what_is_wrong_and_writes_nothing(data, tmp_path, capsys, options, message):
    assert run(data, tmp_path / "vlm", "--epochs", "3", *options) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_cfg": None}, "no text_cfg"),
        ({"text_cfg": {**MODEL["text_cfg"], "context_length": 5}}, "tokens long"),
        ({"vision_cfg": {**MODEL["vision_cfg"], "image_size": 32}}, "less than a crop of 64; give"),
        ({"vision_cfg": {**MODEL["vision_cfg"], "image_size": 64}}, "less than a crop of 64; give"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_training(data, tmp_path, capsys, monkeypatch, changes, message):
    monkeypatch.setattr(pretrain_vit, "train_model", lambda *args, **kwargs: pytest.fail("trained"))
    path = write_model(tmp_path / "changed.json", **changes)
    assert pretrain_vit.main([str(data), str(tmp_path / "vlm"), "--model", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_manifest_is_refused(tmp_path, capsys):
    assert pretrain_vit.main([str(tmp_path), str(tmp_path / "vlm")]) == 2
    assert "manifest.json" in capsys.readouterr().err


def test_does_not_replace_a_model_unasked(trained, data, tmp_path, capsys):
    out = Path(shutil.copytree(trained.parent, tmp_path / "vlm"))
    before = (out / "scene_vit.safetensors").read_bytes()
    assert run(data, out, "--epochs", 1) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "scene_vit.safetensors").read_bytes() == before
    assert run(data, out, "--epochs", 1, "--overwrite") == 0
    assert record_of(out / "scene_vit")["options"]["epochs"] == 1
    assert (out / "scene_vit.safetensors").read_bytes() != before


def test_batches_hold_one_image_of_a_class_and_all_images_in_turn():
    labels = [0] * 10 + [1] * 9 + [2] * 2
    rng = np.random.default_rng(0)
    batches = list(draw_batches(labels, 32, rng))
    assert len(batches) == 7  # 21 images in threes
    assert all(sorted(labels[index] for index in batch) == [0, 1, 2] for batch in batches)
    first = [batch for epoch in range(2) for batch in (batches if epoch == 0 else draw_batches(labels, 32, rng))]
    assert {index for batch in first for index in batch if labels[index] == 2} == {19, 20}
    seen = Counter(index for batch in batches for index in batch)
    assert (
        max(count for index, count in seen.items() if labels[index] == 0) == 1
    )  # no repeat before the deck is used up
    two = list(draw_batches(labels, 2, rng))
    assert len(two) == 11 and all(labels[a] != labels[b] for a, b in two)


def undone(crop):
    """The eight ways in which a crop may have been flipped and turned."""
    return [torch.rot90(image, turns, (1, 2)) for image in (crop, crop.flip(2)) for turns in range(4)]


def test_a_degraded_crop_is_what_the_guide_makes_of_an_lr_patch(data, monkeypatch):
    monkeypatch.setattr(pretrain_vit_scenes, "_JITTER", lambda image: image)
    scene = read_scenes(data, read_manifest(data), split="train", scale=4, sides=("LR", "HR"))[0]
    lq = torch.from_numpy(scene.pixels["LR"]).permute(2, 0, 1) / 255
    rng = np.random.default_rng(0)
    crop = draw_crop(scene, size=48, scale=4, degraded=1.0, rng=rng)  # the whole image
    whole = F.interpolate(lq[None], scale_factor=4, mode="bilinear", align_corners=False)[0]
    assert min((image - whole).abs().max() for image in undone(crop)) < 1e-6
    patch = draw_crop(scene, size=16, scale=4, degraded=1.0, rng=rng)
    patches = [lq[:, top : top + 4, left : left + 4] for top in range(9) for left in range(9)]
    upsampled = F.interpolate(torch.stack(patches), scale_factor=4, mode="bilinear", align_corners=False)
    assert min((image - upsampled).abs().amax((1, 2, 3)).min() for image in undone(patch)) < 1e-6


def test_a_sharp_crop_is_the_hr_image_and_the_share_is_as_asked(data, monkeypatch):
    monkeypatch.setattr(pretrain_vit_scenes, "_JITTER", lambda image: image)
    scene = read_scenes(data, read_manifest(data), split="train", scale=4, sides=("LR", "HR"))[0]
    rng = np.random.default_rng(0)
    gt = torch.from_numpy(scene.pixels["HR"]).permute(2, 0, 1) / 255

    def is_sharp(crop):
        return min((image - gt).abs().max() for image in undone(crop)) < 1e-6

    def count(degraded):
        return sum(is_sharp(draw_crop(scene, size=48, scale=4, degraded=degraded, rng=rng)) for _ in range(100))

    assert count(0.0) == 100 and count(1.0) == 0 and 35 < count(0.5) < 65


def test_crops_differ_in_place_orientation_and_colour():
    pixels = {"LR": make_image(0, 12, 12)}
    scene = Scene(name="a1", label="a", pixels=pixels)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    crops = torch.stack([draw_crop(scene, size=32, scale=4, degraded=1.0, rng=rng) for _ in range(20)])
    assert crops.shape == (20, 3, 32, 32) and crops.min() >= 0 and crops.max() <= 1
    assert len({crop.numpy().tobytes() for crop in crops}) == 20


@pytest.mark.parametrize("degraded", [0.0, 1.0])
def test_crops_come_from_the_whole_image(monkeypatch, degraded):
    monkeypatch.setattr(pretrain_vit_scenes, "_JITTER", lambda image: image)
    places = np.arange(144, dtype=np.uint8).reshape(12, 12, 1).repeat(3, axis=2)  # every LR pixel has its own value
    scene = Scene(name="a1", label="a", pixels={"LR": places, "HR": places.repeat(4, axis=0).repeat(4, axis=1)})
    rng = np.random.default_rng(0)
    crops = [draw_crop(scene, size=16, scale=4, degraded=degraded, rng=rng) for _ in range(1500)]
    corners = {round(float(crop.min()) * 255) for crop in crops}
    assert corners == {12 * top + left for top in range(9) for left in range(9)}


@pytest.mark.parametrize("factor", [1, 2])
def test_a_larger_crop_is_seen_as_the_guide_sees_it(trained, factor):
    config = SemanticsConfig(**semantics_of(trained, lora_targets="none"))
    extraction = SemanticFeatureExtraction(config=config, scale=4).eval()
    visual = build_vision_tower(config).visual
    with torch.no_grad():
        lq = torch.rand(1, 3, 6 * factor, 6 * factor)
        images = F.interpolate(lq, scale_factor=4, mode="bilinear", align_corners=False)
        images = (images - extraction.mean) / extraction.std
        positions = {"positional_embedding": stretch_positions(visual, factor)}
        seen = torch.func.functional_call(visual, positions, images)
        torch.testing.assert_close(seen, extraction(lq)[0], atol=1e-5, rtol=1e-4)


def test_the_share_of_larger_crops_is_as_asked(data, monkeypatch, tmp_path):
    sizes = Counter()
    crop = pretrain_vit_training.draw_crop

    def watch(scene, *, size, **rest):
        sizes[size] += 1
        return crop(scene, size=size, **rest)

    monkeypatch.setattr(pretrain_vit_training, "draw_crop", watch)
    path = write_model(tmp_path / "small.json", vision_cfg={**MODEL["vision_cfg"], "image_size": 16})
    arguments = [str(data), str(tmp_path / "vlm"), "--model", str(path), "--epochs", "8", "--overwrite", "--large"]
    assert pretrain_vit.main([*arguments, "0.5"]) == 0
    assert sizes.keys() == {16, 32} and sizes.total() == 8 * 15 and 30 < sizes[32] < 90
    sizes.clear()
    assert pretrain_vit.main([*arguments, "0"]) == 0
    assert sizes == {16: 8 * 15}


def test_names_without_class_are_refused(copied):
    change_manifest(copied, lambda image: image.update(listed="plain") if image["split"] == "train" else None)
    with pytest.raises(DataError, match="has no class"):
        read_scenes(copied, manifest_of(copied), split="train", scale=4, sides=("LR",))
