import itertools

import cv2
import numpy as np
import pytest
import torch

from segsr_arch.evaluation.explanation import Observations, explain
from segsr_arch.evaluation.explanation_figure import draw_explanation
from segsr_arch.evaluation.explanation_files import Subject
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.freezing import FrozenIdentity

pytest.importorskip("matplotlib")

TERMS = ("river", "$forest$", "a term that is far too long to be written out", "beach")


def explanation_of(classes, units=3):
    rng = np.random.default_rng(0)
    shape = (len(classes), units, 8)
    unit_length = [values / np.linalg.norm(values, axis=-1, keepdims=True) for values in rng.normal(size=(2, *shape))]
    observations = Observations(
        image_names=tuple(str(i) for i in range(len(classes))),
        image_classes=tuple(classes),
        vectors=dict(zip(("embedding", "patches"), unit_length, strict=True)),
        map_means=rng.normal(size=shape[:2]),
        map_spreads=rng.random(shape[:2]),
    )
    return explain(observations, terms=TERMS, term_embeddings=torch.eye(8)[:4])


def subject(source, count):
    identity = FrozenIdentity(name="inline", source=source, digest="0" * 64)
    return Subject(network="net", scale=4, identity=identity, images={"made": count})


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def well_placed(figure):
    """Whether every text lies within the picture, and no two lie on each other."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    within = all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    return within and not any(first.padded(-2).overlaps(second) for first, second in itertools.combinations(boxes, 2))


@pytest.mark.parametrize(
    ("classes", "units"),
    [
        (["mobilehomepark", "river"] * 3, 3),
        ([""], 6),
        ([f"class{i}" for i in range(60)] * 2, 2),
        (["a", "b"], 1),
        (["a", "b"], 20),
    ],
)
def test_every_word_has_its_place_in_the_picture_which_is_written_as_png_and_pdf(tmp_path, classes, units):
    figure = draw_explanation(explanation_of(classes, units), subject=subject("random(0)", len(classes)), top=3)
    assert well_placed(figure)
    png, pdf = save_figure(figure, tmp_path / "explanation")
    assert cv2.imread(str(png)).std() > 10 and pdf.read_bytes().startswith(b"%PDF")


def test_the_picture_shows_deviations_from_the_units_mean_and_the_nearest_terms():
    explanation = explanation_of(["a", "b", "b"])
    figure = draw_explanation(explanation, subject=subject("openai", 3), top=2)
    heat_map = figure.axes[1].images[0].get_array()
    means = explanation.by_class.means
    np.testing.assert_allclose(heat_map, means - explanation.map_means.mean(axis=0))
    drawn = texts(figure)
    assert [text.get_text() for text in figure.axes[1].texts] == [f"{value:+.3f}" for value in heat_map.flat]
    assert sum(drawn.count(term) for term in TERMS) == 12
    assert not any("RANDOM" in text for text in drawn)
    assert drawn.index("a (1)") < drawn.index("b (2)")


def test_random_weights_are_said_in_the_picture():
    drawn = texts(draw_explanation(explanation_of(["a", "b"]), subject=subject("random(3)", 2), top=2))
    assert any("RANDOM WEIGHTS" in text and "NOTHING" in text for text in drawn)


def test_of_very_many_classes_those_nearest_to_the_mean_are_left_out():
    figure = draw_explanation(explanation_of([f"c{i}" for i in range(60)]), subject=subject("openai", 60), top=2)
    assert figure.axes[1].images[0].get_array().shape == (45, 3)
    assert any("15 classes nearer to the mean are left out" in text for text in texts(figure))
