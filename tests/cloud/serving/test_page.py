"""The page of the REST interface, as a browser shows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = [pytest.mark.system, pytest.mark.browser]

PATIENCE_S = 30
TRIED = "/api/v1/networks"


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a screen, that notes what it asks for."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("no browser here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    for argument in ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def asked_for(browser: webdriver.Chrome) -> list[str]:
    """The addresses of all that the page loaded."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]


def test_the_page_asks_for_a_token_shows_every_endpoint_and_calls_one_with_it(server, browser):
    here = f"http://127.0.0.1:{server.port}"
    wait = WebDriverWait(browser, PATIENCE_S)

    browser.get(f"{here}/api/v1/docs")
    field = wait.until(lambda page: page.find_element(By.ID, "token"))
    wait.until(lambda _: field.is_displayed())
    field.send_keys("secret-of-the-operator")
    field.submit()

    described = json.loads(server.ask("GET", "/api/v1/openapi.json")[2])["paths"]
    count = sum(len(operations) for operations in described.values())
    shown = wait.until(lambda page: page.find_elements(By.CLASS_NAME, "opblock-summary-control"))
    assert len(shown) == count

    operation = browser.find_element(By.CSS_SELECTOR, f'.opblock-get:has([data-path="{TRIED}"])')
    for button in ("opblock-summary-control", "try-out__btn", "execute"):
        wait.until(lambda _, name=button: operation.find_elements(By.CLASS_NAME, name))[0].click()
    answer = wait.until(lambda _: operation.find_elements(By.CSS_SELECTOR, ".live-responses-table .response"))[0]
    assert answer.find_element(By.CLASS_NAME, "response-col_status").text == "200"

    asked = asked_for(browser)
    assert f"{here}{TRIED}" in asked
    assert [address for address in asked if not address.startswith((f"{here}/", "data:", "blob:"))] == []
    assert [
        entry for entry in browser.get_log("browser") if entry["source"] != "network"
    ] == []  # its policy broken, or a script
