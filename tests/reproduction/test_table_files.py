import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from segsr_arch.reproduction.outcome import collect
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.prepared_data import PreparedData
from segsr_arch.reproduction.presets import FULL
from segsr_arch.reproduction.table_files import printed, table_cells, table_name, write_outcome
from segsr_arch.reproduction.workplace import Workplace
from segsr_arch.results.reading import read_record
from segsr_arch.results.references import ImageReference
from segsr_arch.results.writing import write_record
from tests.reproduction.made import TRAINED, leave_run, make_settings


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


@pytest.fixture
def data(tmp_path):
    return PreparedData(
        folder=tmp_path / "data",
        kind="folder",
        manifest_digest="abc123",
        used_digest="def456",
        images={"train": 20, "val": 5, "test": 0},
        lr_size=(16, 16),
    )


def make(key, *, seeds=(0, 1), base=None, rows=None, **changes):
    return make_plan(make_table(key, base=base), make_settings(**changes), seeds=seeds, rows=rows)


def run_table_4(place, plan, **changes):
    """Row 2 lacks a seed; the others differ from the base by 0.1 for each row and 0.01 for seed 1."""
    for row in plan.rows:
        for run in row.runs:
            if (row.number, run.seed) != (2, 1):
                gain = (0.1 * row.number + 0.01 * run.seed) * (row.number > 1)
                leave_run(place, run, 27.0 + gain, seconds=3600.0 + 120 * run.seed, **changes)
    return collect(plan, place)


def test_cells(place):
    plan = make("table4", base="EDSR")
    table = table_cells(run_table_4(place, plan))
    cells = [dict(zip(table.headers, row, strict=True)) for row in table.plain()]
    assert cells[0]["SSIM, paper (HAT)"] == "0.7884" and cells[3]["PSNR, paper (HAT)"] == "29.3042"
    assert cells[0]["PSNR, dB"] == "27.0000 ± 0.0000" and cells[0]["diff. over seeds"] == "-"
    assert cells[3]["PSNR, dB"] == "27.4050 ± 0.0071"
    assert cells[3]["diff. over seeds"] == "+0.4050 ± 0.0071"
    assert cells[3]["diff. over images"] == "+0.4050 [+0.4050, +0.4050]"
    assert (cells[3]["trainable"], cells[3]["all param."]) == ("1.00 M", "2.00 M")
    assert (cells[3]["MACs"], cells[3]["forward"], cells[3]["memory"]) == ("1.00 G", "100 ms", "20.0 MB")
    assert (cells[3]["training"], cells[3]["seeds"]) == ("1:01:00", "2")
    assert (cells[1]["diff. over seeds"], cells[1]["seeds"]) == ("+0.2000", "1")  # one seed, so no deviation
    empty = table_cells(collect(make("table4"), Workplace(place.folder / "empty")))
    assert empty.plain()[0] == ["1", "no guide", "0.7884", "29.1013", *["-"] * 10, "0"]
    assert "SSIM, paper" in empty.headers
    assert "SSIM, paper" not in table_cells(collect(make("extra"), place)).headers


def test_the_table_of_guides_says_how_alike_the_maps_of_units_are(place, data):
    plan = make("extra", base="EDSR", rows=[1, 4, 10])
    for row in plan.rows:
        for run in row.runs:
            leave_run(place, run, 27.0)
            if row.number == 1:
                continue
            folder = place.evaluation_folder(run)
            record = read_record(folder)
            maps = np.zeros((3, 2, 2)) if row.number == 10 else np.array([[[0, 1], [0, 1]]] * 3) * 0.1 * (1 + run.seed)
            np.savez(place.folder / f"{run.name}.npz", maps=maps, cells_per_pixel=0.25)
            reference = ImageReference(path=str(place.folder / f"{run.name}.npz"))
            rows = tuple(replace(image, maps=reference) for image in record.images)
            write_record(folder, replace(record, images=rows))
    outcome = collect(plan, place)
    table = table_cells(outcome)
    cells = [dict(zip(table.headers, row, strict=True)) for row in table.plain()]
    assert [row["corr. of maps"] for row in cells] == ["-", "1.000 ± 0.000", "-"]
    assert [row["dev. of maps"] for row in cells] == ["-", "0.075 ± 0.035", "0.000 ± 0.000"]
    assert "Maps: correlation between those of two units over the patches of an image" in printed(outcome, data)
    paths = write_outcome(place.folder, outcome, data)
    with open(paths[1], newline="") as file:
        second = list(csv.DictReader(file))[1]
    assert [float(value) for value in second["map_correlation_by_seed"].split()] == pytest.approx([1, 1])
    assert float(second["map_deviation"]) == pytest.approx(0.075)
    found = json.loads(paths[2].read_text())["rows"]
    assert found[0]["maps"] == {"correlation": None, "deviation": None}
    assert found[1]["maps"]["deviation"]["values"] == pytest.approx([0.05, 0.1])
    (place.folder / f"{plan.rows[1].runs[0].name}.npz").unlink()
    assert collect(plan, place).rows[1].map_deviation.values == pytest.approx((0.1,))
    assert "dev. of maps" not in table_cells(collect(make("table4"), place)).headers


def test_what_a_reader_must_know_is_said(place, data):
    plan = make("table4", base="EDSR")
    text = printed(run_table_4(place, plan), data)
    for words in (
        "The guide's modules (table IV), base EDSR, x4",
        "RANDOM WEIGHTS in the vision-language model of rows 2, 3, 4: this guidance carries no semantic knowledge.",
        "Preset small (networks and patches smaller than the paper's): 1500 iterations, batch 2, LR patches of 32 x 32",
        "seeds 0, 1; ± is the sample standard deviation (n - 1) over seeds.",
        "Measured on 5 images of UCMerced_val, mean over images, y-crop (Y of YCbCr (BT.601), a border of the scale",
        "the moving average (0.99) of the weights after the last iteration; nothing was selected by these images.",
        "this covers the choice of seeds on these images",
        "95 % bootstrap interval; this covers the choice of images for these seeds",
        "The paper's figures: with HAT as the base, full size, measured on its own test split, not here.",
        "validations, up to a minute short where an attempt was killed; on CPU, 1 thread (A",
        "MACs, forward and memory: one LR image of 64 x 64, of each network's first seed; forward is the median of a",
        "on CPU, 1 thread, beside whatever else ran there; memory is what a pass holds at most beyond the weights.",
        "Data: manifest digest abc123 (prepared as a folder of images, not as that data set).",
        "Versions: segsr 0.1.0, torch 2.15.0.",
        "Command: ",
        "Missing in row 2: seed 1: not finished",
    ):
        assert words in text, words
    assert text.index("RANDOM WEIGHTS") < text.index("Preset small")


def test_other_conditions_are_said_otherwise(place, data):
    plan = make("table4", seeds=[0], rows=[1, 4], preset=FULL, vlm_pretrained="vit.pt", amp="bf16", final_split="test")
    for row in plan.rows:
        leave_run(place, row.runs[0], 28.0 + row.number, vlm=TRAINED, device="1", threads=None)
    text = printed(collect(plan, place), None)
    for words in (
        "Preset full (the paper's sizes): 80000 iterations, batch 4, LR patches of 64 x 64",
        "LR patches of 64 x 64, trained in bfloat16 (autocast); one seed",
        "one seed (0), so no deviation over seeds can be given.",
        "UCMerced_test",
        "the moving average (0.999) of the weights with the best PSNR on val; test images were measured once.",
        "Over seeds: of a single seed, which says nothing about other seeds.",
        "Vision-language model of row 4: inline with weights vit.pt (digest ba9876543210), the same for all seeds.",
        "on GPU 1 (A processor)",
    ):
        assert words in text, words
    assert "RANDOM" not in text and "Data:" not in text and "±" not in text and "Missing" not in text


def test_files(place, data):
    plan = make("table4", base="EDSR")
    paths = write_outcome(place.folder / "new", run_table_4(place, plan), data)
    assert [path.name for path in paths] == ["table4_EDSR_x4.md", "table4_EDSR_x4.csv", "table4_EDSR_x4.json"]
    text = paths[0].read_text()
    assert "| 4 | SFEM + SLM + LMM | 0.7961 | 29.3042 |" in text and "![" in text and "(table4_EDSR_x4.png)" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1
    assert "- Missing in row 2: seed 1: not finished" in text and "- RANDOM WEIGHTS" in text
    with open(paths[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[3]["difference"]) == pytest.approx(0.405)
    assert [float(value) for value in rows[3]["psnr_y-crop_by_seed"].split()] == pytest.approx([27.4, 27.41])
    assert float(rows[3]["psnr_rgb-crop"]) == pytest.approx(27.405 - 1.5)
    assert float(rows[3]["paper_difference"]) == pytest.approx(0.2029)
    assert (rows[1]["seeds"], rows[1]["difference_seeds"], rows[1]["psnr_y-crop_std"]) == ("0", "0", "")
    assert rows[1]["missing"] == "seed 1: not finished" and rows[0]["difference"] == ""
    assert (rows[3]["macs"], rows[3]["forward_seconds"], rows[3]["forward_memory"]) == ("1000000000", "0.1", "20000000")
    assert rows[0]["images"] == "5" and rows[2]["images_won"] == "1.0" and rows[2]["device"] == "CPU, 1 thread"
    found = json.loads(paths[2].read_text())
    assert (found["table"], found["base"], found["paper_base"], found["preset"]) == ("table4", "EDSR", "HAT", "small")
    assert (found["iterations"], found["seeds"], found["measured_on"]) == (1500, [0, 1], "UCMerced_val")
    assert found["data"]["used_digest"] == "def456" and found["data"]["images"]["train"] == 20
    last = found["rows"][3]
    assert last["difference"]["seeds"] == [0, 1] and last["difference"]["over_images"]["won"] == 1.0
    assert last["runs"][1]["seed"] == 1 and last["runs"][1]["figures"]["psnr_y-crop"] == pytest.approx(27.41)
    assert last["runs"][1]["checkpoint"]["sha256"] and last["runs"][1]["vlm"].startswith("inline with weights random")
    assert (last["runs"][1]["trained_on"], last["runs"][1]["attempts"]) == ("CPU, 1 thread", 1)
    assert found["missing"] == ["Missing in row 2: seed 1: not finished"]


def test_a_perfect_network_can_be_written(place):
    plan = make("table4", rows=[1, 4], seeds=[0])
    for run in plan.runs:
        leave_run(place, run, [float("inf"), 27.0])
    paths = write_outcome(place.folder, collect(plan, place), None)
    found = json.loads(paths[2].read_text())
    assert found["rows"][0]["figures"]["psnr_y-crop"]["mean"] == "inf"
    assert found["rows"][1]["difference"]["over_seeds"]["mean"] is None  # inf - inf
    assert "| - |" in paths[0].read_text().splitlines()[5]


@pytest.mark.parametrize(
    ("key", "given", "name"),
    [
        ("table7", {}, "table7_x4"),
        ("table7", {"scale": 2}, "table7_x2"),
        ("table4", {}, "table4_x4"),
        ("table4", {"base": "RCAN"}, "table4_RCAN_x4"),
        ("extra", {"vlm_pretrained": "/a/my vit.pt"}, "extra_x4_my-vit"),
        ("extra", {"vlm": "ViT-B-32", "vlm_pretrained": "openai"}, "extra_x4_ViT-B-32_openai"),
        ("table7", {"rows": [3, 1]}, "table7_x4_rows1-3"),
    ],
)
def test_names(key, given, name):
    assert table_name(make(key, **given)) == name
