"""The page in Debian's Chromium: upload, result, slider, download, what is refused, two visitors, and what is left."""

import socket
import threading
import time
import urllib.request
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
import rasterio
import torch

from segsr_arch.app.desk import Desks
from segsr_arch.app.networks import OfferedNetwork, load_offered
from segsr_arch.app.serving import served
from segsr_arch.app.visits import opened_visits
from segsr_arch.errors import ConfigError
from segsr_arch.scenes.network.models import ResolvedModel
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.source.rasters import whole_files_alone
from tests.browser import ActionChains, By, headless, requested, screenshot
from tests.evaluation.test_trained_network import write_test_options
from tests.scenes.rasters import PLACE, write_raster
from tests.semantics.test_text_tower import TEXT
from tests.support import TINY_HAT, TINY_MSSD, TINY_SEMANTICS, TINY_VLM, make_image, write_image

pytest.importorskip("gradio", reason="gradio is not installed (pip install 'segsr-arch[app]')")
HOST = "127.0.0.1"
WAIT = 20


class Opposite(torch.nn.Module):
    """Gives the opposite colours, twice as large, once it may."""

    scale = 2

    def __init__(self):
        super().__init__()
        self.allowed = threading.Event()

    def forward(self, lq):
        assert self.allowed.wait(WAIT)
        return (1 - lq).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


@pytest.fixture(scope="module")
def opposite():
    return Opposite()


@pytest.fixture(scope="module")
def desks(tmp_path_factory, opposite):
    """What visitors find: a network that can be held, one that samples, one that is guided, and bicubic."""
    root = tmp_path_factory.mktemp("networks")
    guided = {"type": "SeGSR", "upscale": 2, "drop_path_rate": 0.0, **TINY_HAT}
    guided["semantics"] = {**TINY_SEMANTICS, "vlm": {**TINY_VLM, "text_cfg": TEXT}}
    sampling = {"type": "MSSD", "scale": 2, **TINY_MSSD}
    (root / "guided").mkdir()
    (root / "sampling").mkdir()
    files = [
        write_test_options(root / "guided", network=guided),
        write_test_options(root / "sampling", network=sampling, model_type="DiffusionModel"),
    ]
    first, second, *rest = load_offered(files, []).values()
    held = ResolvedModel(model=as_scene_model(opposite))
    named = {"opposite": held, "guided": first.resolved, "sampling": second.resolved}
    offered = {name: OfferedNetwork(name=name, resolved=resolved) for name, resolved in named.items()}
    offered |= {network.name: network for network in rest}
    with whole_files_alone(), opened_visits() as visits:
        yield Desks(visits, offered, most_megapixels=0.5)


@pytest.fixture(scope="module")
def address(desks):
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    with served(desks, host=HOST, port=port) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with headless(resolved=HOST, size=(1300, 1600)) as driver:
        yield driver


@pytest.fixture
def page(browser, address, opposite):
    """The page in a tab of its own; nothing may have been asked of another machine, and nothing complained about."""
    opposite.allowed.set()
    requested(browser)
    browser.get_log("browser")
    yield open_page(browser, address)
    browser.get("about:blank")  # the visit ends
    hosts = {urlsplit(each).hostname for each in requested(browser) if each.startswith("http")}
    assert hosts == {HOST}
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def open_page(browser, address):
    browser.get(address)
    until(lambda: browser.find_elements(By.CSS_SELECTOR, "input[type=file]"))
    return browser


def until(check):
    """Wait until something is so; returns what it gives."""
    end = time.monotonic() + WAIT
    while True:
        try:
            if found := check():
                return found
        except Exception:  # it is being replaced at this moment
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, "this did not come about"
        time.sleep(0.05)


def text(page, name):
    return page.find_element(By.ID, name).text


def says(page, words):
    until(lambda: words in text(page, "message"))


def drop(page, path):
    """Give an image, in the place of the one before."""
    for cross in page.find_elements(By.CSS_SELECTOR, "#image button[aria-label=Clear]"):
        cross.click()
    until(lambda: page.find_element(By.CSS_SELECTOR, "#image input[type=file]")).send_keys(str(path))


def press(page, name):
    page.find_element(By.ID, name).click()


def choose(page, name):
    """Choose a network."""
    page.find_element(By.CSS_SELECTOR, "#network input").click()
    until(lambda: [each for each in page.find_elements(By.CSS_SELECTOR, "[role=option]") if each.text.strip() == name])
    option = next(each for each in page.find_elements(By.CSS_SELECTOR, "[role=option]") if each.text.strip() == name)
    ActionChains(page).move_to_element(option).click().perform()
    until(lambda: name in text(page, "description"))


def downloads(page):
    """Contents of the files that are offered, by name."""
    links = page.find_elements(By.CSS_SELECTOR, "#files a.download-link")
    contents = {}
    for link in links:
        target = link.get_attribute("href")
        with urllib.request.urlopen(target) as answer:
            contents[target.rpartition("/")[2]] = answer.read()
    return contents


def kept(desks):
    return [path for path in desks.visits.kept.parent.rglob("*") if path.is_file() and path.stat().st_size]


def slider_colours(page):
    """BGR at a quarter and three quarters of the pictures' width."""
    until(lambda: page.execute_script("return [...document.querySelectorAll('#slider img')].every((i) => i.complete)"))
    image = page.find_element(By.CSS_SELECTOR, "#slider img")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", image)
    shown = screenshot(image)
    height, width = shown.shape[:2]
    return [tuple(int(value) for value in shown[height // 4, int(width * share)]) for share in (0.25, 0.75)]


def near(colour, other):
    return max(abs(one - two) for one, two in zip(colour, other, strict=True)) < 6


def test_a_port_that_is_taken_is_told(desks, address):
    port = urlsplit(address).port
    told = pytest.raises(ConfigError, match=f"^--host {HOST} --port {port}: nothing can listen there")
    with told, served(desks, host=HOST, port=port):
        pass


def test_a_geotiff_is_enlarged_compared_and_downloaded_with_its_place_and_type(page, desks, tmp_path):
    values = np.full((3, 30, 40), 5000, np.uint16)
    values[0], values[:, :2] = 40000, 60000
    drop(page, write_raster(tmp_path / "field.tif", values, tags={"SENSOR": "drawn"}))
    says(page, "field.tif is here")
    press(page, "go")
    says(page, "Done: field.tif")
    contents = downloads(page)
    assert list(contents) == ["field.tif"]
    (tmp_path / "got.tif").write_bytes(contents["field.tif"])
    with rasterio.open(tmp_path / "got.tif") as dataset:
        assert dataset.crs.to_epsg() == 32633 and dataset.transform == PLACE * PLACE.scale(0.5)
        assert dataset.dtypes == ("uint16",) * 3 and dataset.tags()["SENSOR"] == "drawn"
        assert np.array_equal(dataset.read(), (65535 - values).repeat(2, axis=1).repeat(2, axis=2))
    facts = text(page, "facts")
    assert "LR consistency" in facts and "EPSG:32633" in facts and "80 x 60 pixels, 3 bands of uint16" in facts
    assert "Black is 0.0763 and white 0.916" in text(page, "words")


def test_the_slider_shows_the_input_on_the_left_and_can_be_moved(page, tmp_path):
    image = np.full((200, 300, 3), (0, 0, 255), np.uint8)
    drop(page, write_image(tmp_path / "red.png", image))
    says(page, "is here")
    press(page, "go")
    says(page, "Done")
    red, cyan = (0, 0, 255), (255, 255, 0)
    until(lambda: near(slider_colours(page)[0], red) and near(slider_colours(page)[1], cyan))
    area = page.find_element(By.CSS_SELECTOR, "#slider img")
    step = round(0.4 * area.size["width"])
    handle = ActionChains(page).move_to_element(area).click_and_hold()
    handle.move_by_offset(step, 3).release().perform()
    until(lambda: near(slider_colours(page)[1], red))
    before = page.find_element(By.CSS_SELECTOR, "#slider img").get_attribute("src")
    next(each for each in page.find_elements(By.CSS_SELECTOR, "#zoom label") if "2:1" in each.text).click()
    until(lambda: "192 x 192 pixels of the input" in text(page, "words"))
    assert page.find_element(By.CSS_SELECTOR, "#slider img").get_attribute("src") != before


def test_a_click_on_the_overview_chooses_the_part(page, tmp_path):
    image = np.zeros((500, 900, 3), np.uint8)
    image[:, 450:] = 255
    drop(page, write_image(tmp_path / "halves.png", image))
    says(page, "is here")
    press(page, "go")
    says(page, "Done")
    overview = until(lambda: page.find_element(By.CSS_SELECTOR, "#overview img"))
    until(lambda: page.execute_script("return arguments[0].naturalWidth > 0", overview))
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", overview)
    reach = round(0.4 * overview.size["width"])
    ActionChains(page).move_to_element_with_offset(overview, reach, 0).click().perform()
    until(lambda: "384 x 384 pixels of the input" in text(page, "words"))
    until(lambda: near(slider_colours(page)[0], (255,) * 3) and near(slider_colours(page)[1], (0,) * 3))


def test_what_cannot_be_used_is_said_and_the_page_goes_on(page, desks, tmp_path):
    (tmp_path / "broken.tif").write_bytes(b"II*\0\x08\0\0\0 no directory")
    drop(page, tmp_path / "broken.tif")
    says(page, "broken.tif")
    message = page.find_element(By.CSS_SELECTOR, "#message [role=alert]")
    assert message.text.startswith("broken.tif") and str(desks.visits.kept) not in message.text
    drop(page, write_image(tmp_path / "large.png", make_image(0, 600, 900)))
    says(page, "large.png: has 900 x 600 pixels, 0.54 megapixels; this page takes 0.5 at most.")
    press(page, "go")
    says(page, "There is no image yet; drop one first.")
    drop(page, write_raster(tmp_path / "many.tif", np.ones((5, 8, 8), np.uint8)))
    says(page, "many.tif is here")
    press(page, "go")
    says(page, "many.tif: which of its bands are red, green and blue cannot be told; say it, like --bands 3 2 1.")
    drop(page, write_image(tmp_path / "good.png", make_image(0, 20, 30)))
    says(page, "good.png is here")
    press(page, "go")
    says(page, "Done: good.png")


def test_two_visitors_at_once_get_their_own_and_one_who_leaves_takes_nothing_along(page, desks, address, tmp_path):
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    second = page.current_window_handle
    open_page(page, address)
    desks.offered["opposite"].resolved.model.inner.module.allowed.clear()
    for window, colour in ((first, 10), (second, 200)):
        page.switch_to.window(window)
        drop(page, write_image(tmp_path / "same-name.png", np.full((12, 14, 3), colour, np.uint8)))
        says(page, "is here")
        press(page, "go")
        says(page, "opposite" if window == first else "waiting for the image of somebody else")
    desks.offered["opposite"].resolved.model.inner.module.allowed.set()
    got = {}
    for window in (first, second):
        page.switch_to.window(window)
        says(page, "Done: same-name.png")
        image = cv2.imdecode(np.frombuffer(downloads(page)["same-name.png"], np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (24, 28, 3)
        got[window] = int(image.max())
    assert got == {first: 245, second: 55}
    links = [page.find_element(By.CSS_SELECTOR, "#files a.download-link").get_attribute("href")]
    page.close()
    page.switch_to.window(first)
    until(lambda: len(list(desks.visits.kept.iterdir())) == 1)
    assert "same-name.png" in downloads(page)
    with pytest.raises(OSError):
        urllib.request.urlopen(links[0])


def test_a_job_can_be_stopped_and_nothing_is_left_of_visitors(page, desks, opposite, tmp_path):
    opposite.allowed.clear()
    drop(page, write_image(tmp_path / "river.png", make_image(0, 20, 300)))
    says(page, "is here")
    press(page, "go")
    says(page, "opposite")
    press(page, "stop")
    until(lambda: any(visit.upload.stop.is_set() for visit in desks.visits._by_key.values() if visit.upload))
    opposite.allowed.set()
    says(page, "Stopped.")
    page.get("about:blank")
    until(lambda: kept(desks) == [])


def test_a_network_that_samples_takes_words_and_shows_the_spread(page, tmp_path):
    assert not page.find_elements(By.ID, "samples")
    choose(page, "sampling")
    until(lambda: page.find_element(By.ID, "samples").is_displayed())
    page.find_element(By.CSS_SELECTOR, "#caption textarea").send_keys("a river")
    number = page.find_element(By.CSS_SELECTOR, "#samples input[type=number]")
    page.execute_script("arguments[0].select()", number)
    number.send_keys("2\t")
    drop(page, write_image(tmp_path / "river.png", make_image(0, 10, 14)))
    says(page, "is here")
    press(page, "go")
    says(page, "Done")
    assert sorted(downloads(page)) == ["river_seed0.png", "river_seed1.png"]
    assert "Spread of 2 samples" in text(page, "spread-words")
    until(lambda: page.find_element(By.CSS_SELECTOR, "#spread img").is_displayed())
    facts = text(page, "facts")
    assert "a river" in facts and "LR consistency of sample 2" in facts
    assert page.find_element(By.ID, "sample").is_displayed()


def test_a_guided_network_shows_its_maps_with_their_words(page, tmp_path):
    choose(page, "guided")
    drop(page, write_image(tmp_path / "river.png", make_image(0, 20, 24)))
    says(page, "is here")
    press(page, "go")
    says(page, "Done")
    assert sorted(downloads(page)) == ["river.maps.tif", "river.png"]
    captions = until(lambda: page.find_elements(By.CSS_SELECTOR, "#maps .caption-label"))
    assert [each.text.partition(": ")[0] for each in captions] == ["unit 1", "unit 2"]
    assert all(len(each.text.split(", ")) == 3 for each in captions)
    assert "RANDOM WEIGHTS" in text(page, "warning")
