"""Debian's Chromium without a screen, for tests of pages; a module that imports this is skipped where it is not."""

import base64
import contextlib
import json
import shutil

import cv2
import numpy as np
import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    pytest.skip("chromium and chromedriver are not installed (apt install chromium-driver)", allow_module_level=True)
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402

__all__ = ["ActionChains", "By", "Keys", "Select", "headless", "requested", "screenshot"]


@contextlib.contextmanager
def headless(*, resolved="", size=(1200, 1000)):
    """Start a browser that finds no other machine; it ends with the block.

    Args:
        resolved: Host that it finds all the same.
        size: Width and height of its window.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={size[0]},{size[1]}",
        f"--host-resolver-rules=MAP * ~NOTFOUND{resolved and f' , EXCLUDE {resolved}'}",
        "--force-device-scale-factor=1",
        "--force-prefers-reduced-motion",  # a page that scrolls by itself moves away from under a click
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


def requested(driver):
    """Addresses that were asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def screenshot(element):
    """What an element looks like, (H, W, 3), BGR."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(element.screenshot_as_base64), np.uint8), cv2.IMREAD_COLOR)
