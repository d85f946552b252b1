"""The page itself: where things stand in the browser, and what happens when one is touched. Needs gradio."""

import html
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio

from segsr_arch.app.desk import Desk, Desks, Result
from segsr_arch.app.jobs import MOST_SAMPLES, StoppedError, Wish, with_bands, with_range
from segsr_arch.app.pictures import SIDES, Comparison
from segsr_arch.errors import SegsrError, first_line

logger = logging.getLogger(__name__)

TITLE = "SeG-SR"
_WELCOME = "Drop an image, choose a network, and press Enlarge."
_ZOOMS: dict[str, int | None] = {"whole image": None, "part, 1:1": 1, "part, 2:1": 2, "part, 4:1": 4}
_CLOSER = "part, 1:1"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}
_HIDDEN: dict[str, Any] = {**_PRIVATE, "show_progress": "hidden"}
_PICTURE: dict[str, Any] = {"interactive": False, "visible": False}
"""Of what is seen once there is a result. None has gradio's button that shares a picture with the world."""
_CSS = """
#message p { margin: 0; padding: .5em .8em; border-left: 4px solid #7a8794; }
#message p[role=alert] { border-color: #c0392b; white-space: pre-wrap; }
#facts table { border-collapse: collapse; }
#facts :is(th, td) { border: 0; border-bottom: 1px solid #7a879455; padding: .35em 1.2em .35em 0; vertical-align: top; }
#facts th { text-align: left; font-weight: 600; }
#facts td { overflow-wrap: anywhere; }
"""


def looks() -> dict[str, Any]:
    """What ``launch`` is told of how the page looks."""
    return {"css": _CSS, "theme": gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])}


def build(desks: Desks) -> gradio.Blocks:
    """Put the page together."""
    with gradio.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gradio.HTML(f"<h1>{TITLE}</h1>")
        with gradio.Row():
            with gradio.Column(scale=2, min_width=320):
                asked = _Asked(desks)
            with gradio.Column(scale=5):
                shown = _Shown()
        _give(desks, asked, shown)
        _enlarge(desks, asked, shown)
        _look(desks, shown)

        def leave(request: gradio.Request) -> None:
            desks.leave(request.session_hash)

        blocks.unload(leave)
    return blocks


class _Asked:
    """What a visitor gives and chooses."""

    def __init__(self, desks: Desks) -> None:
        names = list(desks.offered)
        first = desks.offered[names[0]]
        limit = f"up to {desks.most_megapixels:.3g} megapixels"
        self.image = gradio.File(label=f"Image or GeoTIFF, {limit}", height=140, elem_id="image")
        self.network = gradio.Dropdown(names, value=names[0], label="Network", elem_id="network")
        self.description = gradio.HTML(_paragraph(first.description), elem_id="description")
        with gradio.Group(visible=first.samples) as self.sampling:
            self.caption = gradio.Textbox(
                "", label="Caption", info="what is to be seen", visible=first.reads_captions, elem_id="caption"
            )
            self.seed = gradio.Number(0, label="Seed", precision=0, minimum=0)
            self.steps = gradio.Number(0, label="Steps", info="0: as the network says", precision=0, minimum=0)
            self.samples = gradio.Slider(1, MOST_SAMPLES, value=1, step=1, label="Samples", elem_id="samples")
        with gradio.Accordion("More", open=False):
            self.bands = gradio.Textbox("", label="Bands", info="red, green, blue, such as 4 3 2 (--bands)")
            self.range = gradio.Textbox("", label="Range", info="values of black and white, such as 0 10000 (--range)")
            self.consistent = gradio.Checkbox(label="Agree with the input when reduced again (--consistent)")
            self.ensemble = gradio.Checkbox(
                label="Mean of eight flips and rotations, and their spread (--ensemble)", visible=not first.samples
            )
        self.go = gradio.Button("Enlarge", variant="primary", elem_id="go")
        self.stop = gradio.Button("Stop", elem_id="stop")


class _Shown:
    """What a visitor sees."""

    def __init__(self) -> None:
        self.message = gradio.HTML(_paragraph(_WELCOME), elem_id="message")
        self.slider = gradio.ImageSlider(
            label="Before and after (the wheel zooms)", interactive=False, max_height=800, elem_id="slider"
        )
        self.words = gradio.HTML(elem_id="words")
        with gradio.Row():
            self.zoom = gradio.Radio(list(_ZOOMS), value=next(iter(_ZOOMS)), label="Show", elem_id="zoom", scale=2)
            self.side = gradio.Radio(list(SIDES), value=next(iter(SIDES)), label="Left side: the input", elem_id="side")
            self.sample = gradio.Dropdown([1], value=1, label="Sample", visible=False, elem_id="sample")
        with gradio.Row():
            self.overview = gradio.Image(
                label="Click where to look closer", elem_id="overview", height=260, **_PICTURE, buttons=[]
            )
            self.spread = gradio.Image(
                label="Spread", elem_id="spread", height=260, **_PICTURE, buttons=["fullscreen", "download"]
            )
        self.spread_words = gradio.HTML(elem_id="spread-words")
        self.files = gradio.File(label="Download", elem_id="files", file_count="multiple", **_PICTURE)
        self.facts = gradio.HTML(elem_id="facts")
        self.warning = gradio.HTML(elem_id="warning")
        self.maps = gradio.Gallery(
            label="What guides the network, and the nearest words", elem_id="maps", **_PICTURE, buttons=["fullscreen"]
        )

    @property
    def compared(self) -> list[Any]:
        """What changes with what is looked at, in the order of :func:`_looked`."""
        return [self.slider, self.words]

    @property
    def result(self) -> list[Any]:
        """What changes with a result, in the order of :func:`_told`."""
        rest = [self.zoom, self.sample, self.overview, self.spread, self.spread_words, self.files, self.facts]
        return [self.message, *self.compared, *rest, self.warning, self.maps]


def _give(desks: Desks, asked: _Asked, shown: _Shown) -> None:
    """Connect what a visitor gives and chooses."""

    def take(path: str | None, request: gradio.Request) -> list[Any]:
        desk = desks.of(request.session_hash)
        if path is None:
            desk.clear()
            return [gradio.skip(), _paragraph(_WELCOME), *_told(None)]
        error = _tried(lambda: desk.take(path))
        if error is not None:
            return [None, error, *_told(None)]
        return [gradio.skip(), _paragraph(f"{Path(path).name} is here. Press Enlarge."), *_told(None)]

    def choose(name: str) -> list[Any]:
        network = desks.offered[name]
        return [
            _paragraph(network.description),
            gradio.update(visible=network.samples),
            gradio.update(visible=network.reads_captions, value=""),
            gradio.update(visible=not network.samples, value=False),
        ]

    asked.image.upload(take, asked.image, [asked.image, *shown.result], **_PRIVATE)
    asked.image.clear(take, asked.image, [asked.image, *shown.result], **_PRIVATE)
    depending = [asked.description, asked.sampling, asked.caption, asked.ensemble]
    asked.network.change(choose, asked.network, depending, **_HIDDEN)


def _enlarge(desks: Desks, asked: _Asked, shown: _Shown) -> None:
    """Connect the buttons."""

    def enlarge(
        network: str,
        caption: str,
        seed: float | None,
        steps: float | None,
        samples: float,
        bands: str,
        value_range: str,
        consistent: bool,
        ensemble: bool,
        request: gradio.Request,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008 - gradio finds it there
    ) -> list[Any]:
        results: list[Result] = []

        def work() -> None:
            offered = desks.offered.get(network)
            draws = offered is not None and offered.samples
            wish = Wish(
                seed=int(seed) if draws and seed is not None else None,
                steps=int(steps) if draws and steps else None,
                caption=caption.strip() or None,
                samples=int(samples) if draws else 1,
                bands=with_bands(bands),
                value_range=with_range(value_range),
                consistent=consistent,
                ensemble=ensemble,
            )
            desk = desks.of(request.session_hash)
            results.append(desk.enlarge(network, wish, watch=lambda share, what: progress(share, desc=what)))

        error = _tried(work)
        if error is not None:
            return [error, *(gradio.skip() for _ in shown.result[1:])]
        made = results[0]
        return [_paragraph(f"Done: {', '.join(path.name for path in made.downloads)}."), *_told(made)]

    def stop(request: gradio.Request) -> None:
        desks.of(request.session_hash).stop()

    sampling = [asked.caption, asked.seed, asked.steps, asked.samples]
    choices = [asked.network, *sampling, asked.bands, asked.range, asked.consistent, asked.ensemble]
    asked.go.click(  # gradio asks once at a time, each visitor; visitors wait for one another in the jobs
        enlarge, choices, shown.result, show_progress_on=shown.message, concurrency_limit=None, **_PRIVATE
    )
    asked.stop.click(stop, **_HIDDEN)


def _look(desks: Desks, shown: _Shown) -> None:
    """Connect what chooses the part that is compared."""

    def look(zoom: str, side: str, sample: int, request: gradio.Request) -> list[Any]:
        return _looked(desks.of(request.session_hash), zoom, side, sample)

    def aim(zoom: str, side: str, sample: int, request: gradio.Request, event: gradio.SelectData) -> list[Any]:
        desk = desks.of(request.session_hash)
        desk.aim(*event.index)
        closer = zoom if _ZOOMS[zoom] is not None else _CLOSER
        return [closer, *_looked(desk, closer, side, sample)]

    asked = [shown.zoom, shown.side, shown.sample]
    for each in asked:
        each.input(look, asked, [shown.message, *shown.compared], **_HIDDEN)
    shown.overview.select(aim, asked, [shown.zoom, shown.message, *shown.compared], **_HIDDEN)


def _looked(desk: Desk, zoom: str, side: str, sample: int) -> list[Any]:
    """What the message and the comparison become."""
    comparisons: list[Comparison | None] = []
    error = _tried(lambda: comparisons.append(desk.look(zoom=_ZOOMS[zoom], side=side, sample=sample - 1)))
    if error is not None:
        return [error, gradio.skip(), gradio.skip()]
    return [gradio.skip(), *_compared(comparisons[0])]


def _compared(comparison: Comparison | None) -> list[Any]:
    if comparison is None:
        return [None, ""]
    return [(str(comparison.before), str(comparison.after)), _paragraph(comparison.words)]


def _told(result: Result | None) -> list[Any]:
    """What becomes of all that shows a result, behind the message."""
    numbers = list(range(1, result.samples + 1)) if result else [1]
    comparison = result.comparison if result else None
    spread = result.spread if result else None
    maps = [(str(path), words) for path, words in result.maps] if result else []
    return [
        *_compared(comparison),
        next(iter(_ZOOMS)),
        gradio.update(choices=numbers, value=1, visible=len(numbers) > 1),
        gradio.update(value=comparison and str(comparison.before), visible=comparison is not None),
        gradio.update(value=spread and str(spread[0]), visible=spread is not None),
        _paragraph(spread[1]) if spread else "",
        gradio.update(value=[str(path) for path in result.downloads] if result else None, visible=result is not None),
        _table(result.facts) if result else "",
        _paragraph(result.warning) if result and result.warning else "",
        gradio.update(value=maps, visible=bool(maps)),
    ]


def _tried(work: Callable[[], object]) -> str | None:
    """Do something for a visitor; returns what is to be shown if it fails, which must not end the page for others."""
    try:
        work()
    except SegsrError as error:
        return _paragraph(str(error), role="alert")
    except StoppedError:
        return _paragraph("Stopped.")
    except Exception as error:
        logger.exception("A visitor's request has failed.")
        return _paragraph(
            f"This is a defect of the program, not of your image: {first_line(error)}. Whoever has started the page "
            f"sees more of it there.",
            role="alert",
        )
    return None


def _paragraph(text: str, *, role: str = "status") -> str:
    return f'<p role="{role}">{html.escape(text)}</p>'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    lines = (f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(said)}</td></tr>' for name, said in rows)
    return f"<table>{''.join(lines)}</table>"
