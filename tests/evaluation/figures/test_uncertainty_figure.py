import cv2
import numpy as np

from segsr_arch.evaluation.figures.style import WIDTH, save_figure
from segsr_arch.evaluation.figures.uncertainty_figure import Panel, draw_uncertainty
from segsr_arch.evaluation.sparsification import SHARES


def panels():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (24, 24, 3), np.uint8)
    return [
        Panel(title="output", image=image),
        Panel(title="its error", image=generator.random((12, 12)), largest=1.0),
        Panel(title="spread", image=generator.random((12, 12)), largest=0.5),
    ]


def drawn():
    curves = {"highest spread first": 1 - 0.4 * SHARES, "highest gradient first": 1 - 0.3 * SHARES}
    return draw_uncertainty(panels(), curves, 1 - SHARES, caption="Twelve images, seed 0.")


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_it_says_what_it_shows():
    figure = drawn()
    assert {"output", "its error", "spread", "Twelve images, seed 0."} <= set(texts(figure))
    legend = [text.get_text() for each in figure.legends for text in each.get_texts()]
    assert legend == [
        "highest spread first",
        "highest gradient first",
        "largest errors first (best possible)",
        "at random",
    ]


def test_pictures_and_curves_are_what_was_given():
    figure = drawn()
    *pictures, plot = figure.axes
    for axes, panel in zip(pictures, panels(), strict=True):
        (shown,) = axes.get_images()
        assert np.array_equal(shown.get_array(), panel.image)
        if panel.largest is not None:
            assert shown.get_clim() == (0, panel.largest)
    spread, gradient, oracle, _ = plot.get_lines()
    assert np.allclose(spread.get_ydata(), 1 - 0.4 * SHARES)
    assert np.allclose(gradient.get_ydata(), 1 - 0.3 * SHARES)
    assert np.allclose(oracle.get_ydata(), 1 - SHARES) and np.allclose(oracle.get_xdata(), 100 * SHARES)


def test_nothing_leaves_the_page(tmp_path):
    figure = drawn()
    assert figure.get_figwidth() == WIDTH
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    width, height = figure.get_size_inches() * figure.dpi
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    png, pdf = save_figure(figure, tmp_path / "trust")
    assert cv2.imread(str(png)).shape[1] == round(WIDTH * 300)
    assert pdf.stat().st_size > 1000
