import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from segsr_arch.errors import ConfigError, DataError, SaveError
from segsr_arch.evaluation.report import write_report
from segsr_arch.freezing import FrozenIdentity
from tests.evaluation.report.small_runs import BLUE, COST, LPIPS, PSNR, RED, write_run
from tests.support import make_image, write_image

EVIL = "<script>alert(1)</script>"
QUOTED = 'it\'s "odd" & <b>1'
VALUES = {"beach01": 20.0, "beach02": 30.0, "river01": 25.0, "river02": 27.0}


class Page(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def find(self, tag, **wanted):
        return [attrs for name, attrs in self.elements if name == tag and wanted.items() <= attrs.items()]


def write(paths, out, **options):
    report = write_report(paths, out, **{"title": "Report", "images": 12, **options})
    text = out.read_text(encoding="utf-8")
    return report, text, Page(text)


def viewer_data(page):
    return [json.loads(text) for text in page.texts["script"] if text.startswith("{")]


def test_the_page_needs_nothing_from_outside(tmp_path):
    write_run(tmp_path / "results", "A", VALUES, colour=RED, maps=True, cost=COST)
    report, text, page = write([tmp_path / "results"], tmp_path / "deep" / "report.html")
    assert report.size == (tmp_path / "deep" / "report.html").stat().st_size
    addresses = [
        value for _, attrs in page.elements for name, value in attrs.items() if name in ("src", "href", "data-src")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"https?://|@import|url\(", text)
    (policy,) = [attrs["content"] for attrs in page.find("meta") if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.html"]


def test_names_never_become_markup(tmp_path):
    folder = write_run(tmp_path, EVIL, {"x": 20.0, "y": 21.0}, colour=RED, folder="evil", options=f"name: {EVIL}\n")
    path = folder / "evaluation" / "Small" / "images.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content[0].update(name=QUOTED, **{"class": "</script ><img src=x>"})
    path.write_text(json.dumps(content), encoding="utf-8")
    _, text, page = write([folder], tmp_path / "r.html", title=f"{EVIL} & Co")
    assert EVIL not in text
    assert "<img src=x>" not in text
    assert "</script " not in text
    assert len(page.find("script")) == 2  # the data of the slider and the page's own
    (data,) = viewer_data(page)
    assert data["images"][0]["name"] == QUOTED
    assert EVIL in data["labels"].values()
    assert page.texts["title"] == [f"{EVIL} & Co"]
    assert any(EVIL in text for text in page.texts["option"])


def test_it_says_how_many_images_are_shown(tmp_path):
    write_run(tmp_path, "A", VALUES, colour=RED)
    report, text, page = write([tmp_path / "A"], tmp_path / "r.html", images=2)
    assert (report.shown, report.total) == (2, 4)
    assert "2 of 4 images are shown" in text
    (data,) = viewer_data(page)
    assert [image["name"] for image in data["images"]] == ["beach01", "beach02"]  # the worst and the best
    assert len(page.find("tr")) >= 4
    assert "Not embedded: river01 (25.00 dB), river02 (27.00 dB)" in text
    _, text, page = write([tmp_path / "A"], tmp_path / "r.html", images=0)
    assert not viewer_data(page)


def test_sides_include_lr_bicubic_methods_and_hr_and_shared_images_are_embedded_once(tmp_path):
    for method, colour in (("A", RED), ("B", BLUE)):
        write_run(tmp_path / "results", method, VALUES, colour=colour, data=tmp_path / "data")
    _, _, page = write([tmp_path / "results"], tmp_path / "r.html")
    (data,) = viewer_data(page)
    assert list(data["labels"]) == ["lq", "bicubic", "m0", "m1", "gt"]
    assert len(data["pictures"]) == 4 * 5
    assert data["images"][0]["figures"]["m0"] == "PSNR (y-crop) 20.00 dB"


@pytest.mark.parametrize("saved", [True, False])
def test_hr_images_that_are_no_multiple_of_the_scale_lie_over_the_sr_images(tmp_path, saved):
    folder = write_run(tmp_path, "A", {"x": 20.0}, colour=RED, data=tmp_path / "data")
    truth = make_image(0, 67, 66)
    write_image(tmp_path / "data/HR/x.png", truth)
    if not saved:
        (folder / "images/x.png").unlink()
    _, _, page = write([folder], tmp_path / "r.html")
    (data,) = viewer_data(page)
    (image,) = data["images"]
    encoded = data["pictures"][image["pictures"]["gt"]].split(",", 1)[1]
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(shown, truth[:64, :64])
    assert (image["height"], image["width"]) == (64, 64)


def test_no_second_bicubic_where_one_was_evaluated(tmp_path):
    write_run(tmp_path, "Bicubic x4", VALUES, colour=RED)
    _, _, page = write([tmp_path / "Bicubic x4"], tmp_path / "r.html")
    assert list(viewer_data(page)[0]["labels"]) == ["lq", "m0", "gt"]


def test_maps_share_one_colour_scale(tmp_path):
    write_run(tmp_path, "A", VALUES, colour=RED, maps=True)
    _, text, page = write([tmp_path / "A"], tmp_path / "r.html")
    (data,) = viewer_data(page)
    maps = [data["pictures"][key] for image in data["images"] for key in image["maps"]["m0"]]
    assert len(maps) == 8
    assert len(set(maps)) == 2  # a flat map a unit, the same in every image
    assert "-0.25" in text
    assert "0.75" in text


def vlm(source):
    return str(FrozenIdentity(name="ViT-B-16", source=source, digest="0" * 64))


def test_random_weights_are_said_at_the_top_and_in_the_notes(tmp_path):
    write_run(tmp_path, "A", VALUES, colour=RED, provenance={"vlm": vlm("random(0)"), "seed": 3})
    report, text, _ = write([tmp_path / "A"], tmp_path / "r.html")
    assert "random weights" in report.notes[0]
    assert text.index("Random weights.") < text.index("<main")
    write_run(tmp_path, "B", VALUES, colour=RED, provenance={"vlm": vlm("random_crops.pt")})
    report, text, _ = write([tmp_path / "B"], tmp_path / "r.html")
    assert report.notes == ()
    assert "Random weights." not in text


def test_configuration_has_provenance_options_and_problems(tmp_path):
    provenance = {
        "command": "segsr evaluate -opt a.yml",
        "checkpoint": {"sha256": "abc123"},
        "versions": {"torch": "2.6"},
    }
    write_run(tmp_path, "A", VALUES, colour=RED, provenance=provenance, options="scale: 4\n", problems=("z: NaN",))
    _, text, page = write([tmp_path / "A"], tmp_path / "r.html")
    said = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert said["command"] == "segsr evaluate -opt a.yml"
    assert said["checkpoint sha256"] == "abc123"
    assert said["versions torch"] == "2.6"
    assert page.texts["pre"] == ["scale: 4\n"]
    assert "<li>z: NaN</li>" in text


def test_methods_on_different_images_are_shown_and_not_compared(tmp_path):
    write_run(tmp_path / "r", "A", {"x1": 1.0, "x2": 2.0}, colour=RED)
    write_run(tmp_path / "r", "B", {"x1": 1.0, "x3": 2.0}, colour=BLUE)
    report, text, page = write([tmp_path / "r"], tmp_path / "r.html")
    assert "Not everything here can be compared." in text
    assert any("different images" in note for note in report.notes)
    assert "(best)" not in text
    assert "the best in bold" not in text
    assert text.count("A and B cannot be compared") == 1
    assert {image["name"] for image in viewer_data(page)[0]["images"]} == {"x1", "x2", "x3"}


def test_missing_images_are_named_and_the_rest_is_shown(tmp_path):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    (folder / "images" / "beach01.png").unlink()
    report, text, page = write([folder], tmp_path / "r.html")
    assert any("beach01.png" in note for note in report.notes)
    assert "beach01.png: cannot be read" in text
    images = {image["name"]: image["pictures"] for image in viewer_data(page)[0]["images"]}
    assert "m0" not in images["beach01"]
    assert {"lq", "gt"} <= set(images["beach01"])
    assert "m0" in images["beach02"]


def test_all_images_missing_still_gives_the_tables(tmp_path):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    report, text, _ = write([folder], tmp_path / "r.html")
    assert report.shown == 0
    assert "0 of 4 images are shown" in text
    assert any("4 of the 4 chosen images have no picture" in note for note in report.notes)


def test_a_section_for_each_data_set(tmp_path):
    write_run(tmp_path / "r", "A", VALUES, colour=RED)
    lpips = {name: value / 100 for name, value in VALUES.items()}
    write_run(tmp_path / "r", "A", lpips, colour=RED, folder="A2", dataset="Other", columns=(LPIPS,))
    report, _, page = write([tmp_path / "r"], tmp_path / "r.html", column="lpips")
    assert [attrs["id"] for attrs in page.find("section")] == ["data-0", "data-1", "configuration"]
    assert page.texts["h2"][:2] == ["Small, x4", "Other, x4"]
    assert any("lpips was not computed here" in note for note in report.notes)


def test_validations_make_curves_and_without_tests_the_last_one_makes_the_tables(tmp_path):
    for iteration in (500, 1000):
        values = {name: value + iteration / 1000 for name, value in VALUES.items()}
        write_run(tmp_path / "e", "A", values, colour=RED, folder=f"v{iteration}", iteration=iteration)
    _, _, page = write([tmp_path / "e"], tmp_path / "r.html")
    assert [text for text in page.texts["title"] if text.startswith("A at")] == ["A at 500: 26.00", "A at 1000: 26.50"]
    assert "A @ 1000" in page.texts["th"]
    write_run(tmp_path / "r", "Tested", VALUES, colour=RED)
    _, _, page = write([tmp_path / "e", tmp_path / "r"], tmp_path / "r.html")
    assert "A @ 1000" not in page.texts["th"]
    assert page.find("section", id="curves")


def test_every_figure_has_its_tables_and_one_is_seen(tmp_path):
    values = {name: {"psnr_y-crop": value, "lpips": value / 100} for name, value in VALUES.items()}
    write_run(tmp_path, "A", values, colour=RED, columns=(PSNR, LPIPS))
    _, _, page = write([tmp_path / "A"], tmp_path / "r.html", column="lpips")
    blocks = [attrs for attrs in page.find("div") if "data-figure" in attrs]
    assert ["hidden" in attrs for attrs in blocks] == [True, False, True, False]


def test_images_without_ground_truth_or_figures(tmp_path):
    write_run(tmp_path, "A", {name: {} for name in VALUES}, colour=RED)
    report, text, _ = write([tmp_path / "A"], tmp_path / "r.html")
    assert report.shown == 4
    assert "4 of 4 images are shown. Move" in " ".join(text.split())


def test_unknown_figure_negative_count_and_empty_folder_are_refused(tmp_path):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    with pytest.raises(ConfigError, match="did you mean psnr_y-crop"):
        write([folder], tmp_path / "r.html", column="psnr_ycrop")
    with pytest.raises(ConfigError, match="--images -1"):
        write([folder], tmp_path / "r.html", images=-1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no evaluation\.json"):
        write([folder, tmp_path / "empty"], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_broken_evaluation_is_named(tmp_path):
    folder = write_run(tmp_path, "A", VALUES, colour=RED)
    (folder / "evaluation" / "Small" / "evaluation.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="is no JSON"):
        write([folder], tmp_path / "r.html")


def test_random_weights_of_a_training_are_said_without_any_test_of_it(tmp_path):
    provenance = {"vlm": "inline with weights random(0) (digest 0)"}
    write_run(tmp_path / "tests", "Plain", {"a1": 30.0}, colour=RED)
    write_run(tmp_path / "runs", "Guided", {"a1": 20.0}, colour=RED, iteration=5, provenance=provenance)
    report = write_report([tmp_path / "tests", tmp_path / "runs"], tmp_path / "r.html", title="T", images=0)
    assert any("Guided: the vision-language model has random weights" in note for note in report.notes)
    assert "Guided: the vision-language model has random weights" in (tmp_path / "r.html").read_text()


def test_trainings_of_one_name_in_two_folders_are_two_curves(tmp_path):
    for run, value in (("a", 30.0), ("b", 25.0)):
        for iteration in (5, 10):
            place = f"validation/{iteration:08d}"
            write_run(tmp_path / run, "Run", {"a1": value + iteration}, colour=RED, iteration=iteration, folder=place)
    report = write_report([tmp_path / "a", tmp_path / "b", tmp_path / "a"], tmp_path / "r.html", title="T", images=0)
    page = (tmp_path / "r.html").read_text()
    assert "Run (2)" in page and "Run (3)" not in page
    assert any("Several trainings are called Run; number 2" in note for note in report.notes)


def test_a_place_that_cannot_hold_a_folder_is_a_save_error(tmp_path):
    write_run(tmp_path / "tests", "Plain", {"a1": 30.0}, colour=RED)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="file: the folder cannot be made"):
        write_report([tmp_path / "tests"], tmp_path / "file/r.html", title="T", images=0)
