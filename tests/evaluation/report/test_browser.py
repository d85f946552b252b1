"""The page in Debian's Chromium: a pointer and a keyboard move the divider, headers sort, nothing leaves the page."""

import pytest

from segsr_arch.evaluation.report import write_report
from tests.browser import ActionChains, By, Keys, Select, headless, requested, screenshot
from tests.evaluation.report.small_runs import BLUE, LPIPS, PSNR, RED, write_run

COLUMNS = (PSNR, LPIPS)
PSNRS = {"beach01": -9.5, "beach02": 30.25, "beach03": 100.0, "river01": None, "river02": -21.0}


def values(shift):
    return {
        name: {} if value is None else {"psnr_y-crop": value + shift, "lpips": abs(value) / 1000}
        for name, value in PSNRS.items()
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Address of one report with two methods: A is red, B is blue, HR green."""
    root = tmp_path_factory.mktemp("report")
    for method, colour, shift in (("A", RED, 1.0), ("B", BLUE, 0.0)):
        write_run(root / "results", method, values(shift), colour=colour, columns=COLUMNS, maps=method == "A")
    write_run(root, "run", values(0.0), colour=RED, columns=COLUMNS, iteration=500)
    write_report([root / "results", root / "run"], root / "report.html", title="Report", images=12)
    return (root / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with headless() as driver:
        yield driver


@pytest.fixture
def opened(browser, page):
    """The page as it is when it has just been opened; afterwards nothing may have been complained about or fetched."""
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page)
    yield browser
    assert browser.get_log("browser") == []
    requests = requested(browser)
    assert page in requests
    assert {address.split(":")[0] for address in requests} <= {"file", "data"}


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def frame_colours(browser):
    """BGR at 10, 35, 65 and 90 % of the frame's width, a quarter of its height down."""
    frame = find(browser, ".frame")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", frame)
    browser.execute_async_script(
        "Promise.all([...document.images].filter((i) => i.src).map((i) => i.decode())).then(arguments[0], arguments[0])"
    )
    image = screenshot(frame)
    height, width = image.shape[:2]
    return [tuple(int(value) for value in image[height // 4, int(width * share)]) for share in (0.1, 0.35, 0.65, 0.9)]


def compare(browser, left="m0", right="m1"):
    Select(find(browser, ".pick-side[data-place=left]")).select_by_value(left)
    Select(find(browser, ".pick-side[data-place=right]")).select_by_value(right)


def column_texts(browser, heading, column):
    """Texts of a column, by rows, of the table below a heading that is seen."""
    return browser.execute_script(
        """
        let below = [...document.querySelectorAll("h3")].find((h) => h.textContent === arguments[0] && h.offsetParent);
        while (!below.matches(".scroll")) below = below.nextElementSibling;
        return [...below.querySelectorAll("tbody tr")].map((row) => row.cells[arguments[1]].firstChild.textContent);
        """,
        heading,
        column,
    )


def sort_button(browser, heading, header):
    buttons = browser.find_elements(
        By.XPATH, f"//h3[text()='{heading}']/following-sibling::div[1]//th/button[text()='{header}']"
    )
    return next(button for button in buttons if button.is_displayed())


def test_dragging_the_divider_shows_more_of_the_left_image(opened):
    compare(opened)
    assert frame_colours(opened) == [RED, RED, BLUE, BLUE]
    frame = find(opened, ".frame")
    width = frame.size["width"]
    start = ActionChains(opened).move_to_element(frame).click_and_hold()
    start.move_by_offset(round(0.25 * width), 5).release().perform()
    assert frame_colours(opened) == [RED, RED, RED, BLUE]
    assert find(opened, ".split").get_property("value") == "75"
    ActionChains(opened).move_to_element(frame).move_by_offset(-round(0.3 * width), 0).click().perform()
    assert frame_colours(opened) == [RED, BLUE, BLUE, BLUE]
    ActionChains(opened).move_to_element(frame).perform()  # no button is down any more
    assert frame_colours(opened) == [RED, BLUE, BLUE, BLUE]


def test_the_range_below_the_image_moves_it_too(opened):
    compare(opened)
    split = find(opened, ".split")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", split)
    ActionChains(opened).drag_and_drop_by_offset(split, round(0.3 * split.size["width"]), 0).perform()
    assert frame_colours(opened) == [RED, RED, RED, BLUE]


def test_the_keyboard_moves_the_divider(opened):
    compare(opened)
    split = find(opened, ".split")
    split.send_keys(Keys.HOME)
    assert frame_colours(opened) == [BLUE] * 4
    split.send_keys(Keys.END)
    assert frame_colours(opened) == [RED] * 4
    split.send_keys(Keys.ARROW_LEFT * 20)
    assert frame_colours(opened) == [RED, RED, RED, BLUE]
    assert split.get_attribute("aria-valuetext") == "80 % A, the rest B"


def test_sides_and_images_are_chosen(opened):
    compare(opened, "gt", "m1")
    assert frame_colours(opened) == [(0, 255, 0), (0, 255, 0), BLUE, BLUE]
    assert find(opened, "img.left").get_attribute("alt") == "beach01: HR (ground truth)"
    assert find(opened, ".right-figures").text == "PSNR (y-crop) −9.50 dB, LPIPS 0.0095"
    Select(find(opened, ".pick-image")).select_by_visible_text("beach03")
    assert find(opened, ".right-figures").text == "PSNR (y-crop) 100.00 dB, LPIPS 0.1000"
    find(opened, ".step[data-step='-1']").click()
    assert find(opened, "img.left").get_attribute("alt") == "beach02: HR (ground truth)"
    compare(opened, "lq", "bicubic")
    assert frame_colours(opened) == [(128, 128, 128)] * 4


def test_a_map_is_laid_over_the_image_by_unit_and_opacity(opened):
    compare(opened, "m1", "m1")
    low, high = opened.find_elements(By.CSS_SELECTOR, ".units button")
    opacity = find(opened, "input.opacity")
    low.click()
    opacity.send_keys(Keys.END)
    dark = frame_colours(opened)[0]
    assert low.get_attribute("aria-pressed") == "true"
    high.click()
    bright = frame_colours(opened)[0]
    assert low.get_attribute("aria-pressed") == "false"
    assert sum(bright) > sum(dark) + 100
    assert BLUE not in (dark, bright)
    opacity.send_keys(Keys.HOME)
    assert frame_colours(opened)[0] == BLUE
    opacity.send_keys(Keys.END)
    find(opened, ".step[data-step='1']").click()  # another image keeps the unit
    assert frame_colours(opened)[0] == bright
    opened.find_elements(By.CSS_SELECTOR, ".units button")[1].send_keys(Keys.ENTER)
    assert frame_colours(opened)[0] == BLUE


def test_a_header_sorts_by_numbers_both_ways_with_missing_values_last(opened):
    header = sort_button(opened, "All images", "B")
    header.click()
    assert column_texts(opened, "All images", 3) == ["−21.00", "−9.50", "30.25", "100.00", "–"]
    assert header.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    header.send_keys(Keys.ENTER)
    assert column_texts(opened, "All images", 3) == ["100.00", "30.25", "−9.50", "−21.00", "–"]
    assert header.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"
    sort_button(opened, "All images", "Image").click()
    assert column_texts(opened, "All images", 0) == sorted(PSNRS)
    assert header.find_element(By.XPATH, "..").get_attribute("aria-sort") == "none"


def test_sorting_classes_leaves_the_mean_below(opened):
    sort_button(opened, "Classes", "Class").click()
    sort_button(opened, "Classes", "Class").click()
    assert column_texts(opened, "Classes", 0) == ["river", "beach"]
    assert find(opened, "tfoot th").text == "all images"


def test_another_figure_shows_its_tables(opened):
    assert column_texts(opened, "All images", 2)[0] == "−8.50"
    Select(find(opened, ".figure-switch")).select_by_visible_text("LPIPS")
    assert column_texts(opened, "All images", 2)[0] == "0.0095"
    assert len([h for h in opened.find_elements(By.XPATH, "//h3[text()='All images']") if h.is_displayed()]) == 1


def test_a_ranked_image_is_shown_in_the_slider(opened):
    button = find(opened, ".show[data-image='2']")
    assert button.find_element(By.TAG_NAME, "img").get_property("naturalWidth") == 64
    button.click()
    assert Select(find(opened, ".pick-image")).first_selected_option.text == "beach03"
    assert Select(find(opened, ".pick-side[data-place=left]")).first_selected_option.text == "A"
    assert Select(find(opened, ".pick-side[data-place=right]")).first_selected_option.text == "HR (ground truth)"
    assert opened.switch_to.active_element == find(opened, ".split")


def test_every_picture_has_a_text_and_every_control_a_name(opened):
    unnamed = opened.execute_script(
        """
        const wrong = [...document.querySelectorAll("select, input")].filter((e) => !e.labels.length);
        wrong.push(...[...document.querySelectorAll("button")].filter((e) => !(e.textContent.trim() || e.ariaLabel)));
        wrong.push(...[...document.images].filter((e) => !e.hidden && !e.alt && !e.closest("button")));
        wrong.push(...[...document.querySelectorAll("th")].filter((e) => !e.scope));
        return wrong.map((e) => e.outerHTML.slice(0, 100));
        """
    )
    assert unnamed == []
    ids = opened.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_is_not_wider_than_the_screen_and_the_image_not_wider_than_the_page(opened, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        opened.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        assert find(opened, ".frame").size["width"] == 192
        Select(find(opened, ".pick-zoom")).select_by_value("8")
        assert find(opened, ".frame").size["width"] == 512
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_screens_get_a_dark_page_and_paper_a_light_one(opened):
    def background(**media):
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        return opened.execute_script("return getComputedStyle(document.body).backgroundColor")

    try:
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        assert background(media="screen", features=dark) == "rgb(20, 23, 27)"
        assert background(media="print", features=dark) == "rgb(255, 255, 255)"
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
