"""Write the option files that show what the two stages of a tiny VLDM do, and the captions that they read.

    cd benchmarks    # where datasets/UCMerced lies, as segsr prepare ucmerced SRC datasets/UCMerced --scale 4 writes it
    python vldm_evidence.py vldm_x4_0 --scale 4 --seed 0
    basicsr train -opt vldm_x4_0/stage1.yml && basicsr train -opt vldm_x4_0/stage2.yml
    segsr evaluate -opt vldm_x4_0/test_*.yml --metric psnr lr_consistency hallucination omission improvement synthesis

Stage one is that of ``options/tiny_train_VLDM_stage1_UCM_x4.yml``, stage two that of its stage two on top of it, and
``plain.yml`` the paper's stage one, with the same UNet and as many iterations; ``stage2_bicubic.yml`` is a stage two
that has bicubic enlargement in the place of stage one; ``mssd.yml`` is ``options/tiny_train_MSSD_UCM_x4.yml``. All
weights start random. LR images are bicubic, made on the fly; images are measured in their middle 128 x 128 pixels, so
that it takes minutes (``--side``). Captions name what the image shows, which is the class that UC Merced has it in;
``shuffled`` gives each image another class's.
"""

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import cv2
import yaml

from segsr_arch.config import read_options
from segsr_arch.results.classes import class_of

OPTIONS = Path(__file__).resolve().parent.parent / "options"
DATA = Path("datasets/UCMerced")
EVERY = 3  # of the images are measured
WHOLE = 512  # pixels: an image is one tile
CLEAN = [{"type": "reduce", "how": "bicubic"}]
PLAIN = {  # the paper's stage one; a schedule that ends in noise
    "base": "none",
    "loss": "l1",
    "schedule": {"num_train_timesteps": 2000, "beta_schedule": "linear", "beta_start": 1e-6, "beta_end": 0.01},
    "correction": "none",
}
METRICS = {"psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}}


def caption_of(name: str) -> str:
    """Say what an image of UC Merced shows, by its name."""
    return f"an aerial image, {class_of(name)}"


def write_captions(path: Path, names: list[str], *, told: list[str]) -> None:
    """Write a caption for each image, of the image that stands at its place in ``told``."""
    lines = [json.dumps({"image": name, "caption": caption_of(other)}) for name, other in zip(names, told, strict=True)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_crops(source: Path, out: Path, *, most: int) -> list[str]:
    """Write the middle of every third image, and give their names."""
    out.mkdir(exist_ok=True)
    files = sorted(source.glob("*.png"))[::EVERY]
    for file in files:
        image = cv2.imread(str(file))
        height, width = (min(most, side) for side in image.shape[:2])
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        cv2.imwrite(str(out / file.name), image[top : top + height, left : left + width])
    return [file.stem for file in files]


def training(system: str, *, out: Path, scale: int, seed: int, network: dict[str, Any]) -> dict[str, Any]:
    """Options of the tiny training of a system, at a scale, with clean LR images and captions that name the class."""
    options = copy.deepcopy(read_options(OPTIONS / f"tiny_train_{system}_UCM_x4.yml"))
    name = network.pop("name", system.lower().removeprefix("vldm_"))
    options |= {"name": f"{out.name}_{name}", "scale": scale, "manual_seed": seed}
    options["network_g"] |= {"scale": scale, **network}
    del options["val"], options["datasets"]["val"]
    given = options["datasets"]["train"]
    for key in ("say_degradation", "dataroot_lq"):
        given.pop(key, None)
    given |= {"type": "BlindPairedDataset", "degradation": CLEAN, "caption_file": str(out / "captions.jsonl")}
    return options


def test(trained: dict[str, Any], *, out: Path, name: str, sampler: dict[str, Any], captions: str | None) -> None:
    """Write the option file of a test of a trained network."""
    network = copy.deepcopy(trained["network_g"])
    network.pop("contrast", None)
    network["sampler"] |= sampler
    for part in (network, network["base"]):
        if isinstance(part, dict):
            part["latent_tile"] = {"size": WHOLE, "overlap": 16}
    data = {"name": "UCMerced_val", "type": "BlindPairedDataset", "dataroot_gt": str(out / "gt"), "degradation": CLEAN}
    data |= {"io_backend": {"type": "disk"}, "caption_file": captions and str(out / captions)}
    options = {
        **{key: trained[key] for key in ("model_type", "scale", "num_gpu", "manual_seed")},
        "name": f"{out.name}_{name}",
        "datasets": {"test": data},
        "network_g": network,
        "path": {"pretrain_network_g": weights(trained), "param_key_g": "params_ema", "strict_load_g": True},
        "val": {"save_img": False, "suffix": None, "metrics": METRICS},
    }
    write(out / f"test_{name}.yml", options)


def weights(trained: dict[str, Any]) -> str:
    """Where a training leaves its last checkpoint."""
    return f"experiments/{trained['name']}/models/net_g_latest.pth"


def write(path: Path, options: dict[str, Any]) -> None:
    """Write an option file."""
    path.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write them to")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=128, help="of the middle that is measured, in pixels")
    given = parser.parse_args()
    out, scale = given.out, given.scale
    out.mkdir()
    measured = write_crops(DATA / "val/HR_x4", out / "gt", most=given.side)
    trained = sorted(file.stem for file in (DATA / "train/HR_x4").glob("*.png"))
    write_captions(out / "captions.jsonl", trained + measured, told=trained + measured)
    # Each gets the caption of an image three classes on.
    write_captions(out / "shuffled.jsonl", measured, told=measured[5:] + measured[:5])

    own = {"out": out, "scale": scale, "seed": given.seed}
    first = training("VLDM_stage1", **own, network={})
    plain = training("VLDM_stage1", **own, network={"name": "plain", **PLAIN})
    base = {**first["network_g"], "path": weights(first)}
    base["sampler"] = {**base["sampler"], "steps": 1}
    second = training("VLDM_stage2", **own, network={"base": base})
    alone = training("VLDM_stage2", **own, network={"name": "stage2_bicubic"})
    trainings = {
        "stage1": first,
        "plain": plain,
        "stage2": second,
        "stage2_bicubic": alone,
        "mssd": training("MSSD", **own, network={}),
    }
    for name, options in trainings.items():
        write(out / f"{name}.yml", options)
    for steps in (1, 8):
        test(first, out=out, name=f"stage1_{steps}", sampler={"steps": steps}, captions=None)
    for steps in (8, 100):
        test(plain, out=out, name=f"plain_{steps}", sampler={"steps": steps}, captions=None)
    for name in ("stage2", "stage2_bicubic", "mssd"):
        test(trainings[name], out=out, name=f"{name}_1", sampler={"steps": 1}, captions="captions.jsonl")
    for name in ("stage2_bicubic", "mssd"):
        test(trainings[name], out=out, name=f"{name}_true", sampler={}, captions="captions.jsonl")
    for name, file in (("true", "captions.jsonl"), ("shuffled", "shuffled.jsonl"), ("none", None)):
        test(second, out=out, name=f"stage2_{name}", sampler={}, captions=file)


if __name__ == "__main__":
    main()
