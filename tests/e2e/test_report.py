"""The page in a real browser, without a network: what it shows, what the slider does, and what it never does."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tasks import dead_letters, images, outbox, scores
from tasks.database import autocommit, make_engine
from tasks.dead_letters import Letter
from tasks.events import new_event
from tasks.scores import ContentScore
from tasks.tables import ImageState
from worker.report.gather import Report, gather
from worker.report.page import render
from worker.report.thumbnails import make_thumbnails

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'&"
MODEL, OTHER = "quality@000000000001", "quality@000000000002"
# Of one seller each, but for the last two: score, seller, reasons.
PHOTOS = [
    (0.5, "s1", ["too_dark", "blurry"]),
    (2.0, "s2", ["too_dark"]),
    (2.49, "s3", ["blurry"]),
    (2.5, "s4", ["noisy"]),
    (3.0, "s5", ["noisy"]),
    (4.0, "s6", ["noisy"]),
    (4.9, "s6", ["noisy"]),
]


def log(browser: webdriver.Chrome, kind: str) -> list[dict[str, str]]:
    return list(browser.get_log(kind))  # type: ignore[no-untyped-call]


def fill(url: str) -> None:
    engine = make_engine(url)
    for number, (score, seller, reasons) in enumerate(PHOTOS):
        event = new_event(
            ad_id=HOSTILE, image_id=f"p{number}", seller_id=seller, image_url=f"https://img.example.com/{number}.jpg"
        )
        at = NOW - timedelta(days=number % 3, minutes=1)
        with engine.begin() as connection:
            [pk] = images.receive(connection, [event], now=at, requeue_after=timedelta(1))
            image = images.claim(connection, pk, now=at, lease=timedelta(1))
            assert image is not None
            images.finish(connection, image, ImageState.SCORED, now=at)
            for model, shift in ((MODEL, 0.0), (OTHER, -0.4)):
                said = round(score + shift, 2)
                content = ContentScore(bytes([number] * 32), model, said, round(said), reasons, {}, 640, 480)
                scores.record(connection, pk, content, now=at)
            if score < 2.5:
                outbox.write(connection, image, f"msg_{pk}", "{}", threshold=2.5, now=at, cooldown=timedelta(0),
                             deliver_by=at)  # fmt: skip
    with engine.begin() as connection:
        letters = [Letter("ad-images", f"1-{n}", b"?", HOSTILE[:64], "?") for n in range(3)]
        dead_letters.bury(connection, letters, now=NOW)
    engine.dispose()


def thumbnails(urls: list[str]) -> list[str | None]:
    def fetch(url: str) -> bytes:
        return b"gone" if url.endswith("/3.jpg") else b"photo"

    from io import BytesIO

    from tasks.decode import decode

    def show(data: bytes) -> Any:
        buffer = BytesIO()
        Image.new("RGB", (300, 200), "teal").save(buffer, "JPEG")
        return decode(buffer.getvalue() if data == b"photo" else data)

    return make_thumbnails(urls, fetch, show, lambda _: None)


@pytest.fixture(scope="module")
def report(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("report") / "retake.db"
    url = f"sqlite:///{shutil.copy(sqlite_template, path)}"
    fill(url)
    engine = make_engine(url)
    with autocommit(engine) as connection:
        gathered = gather(
            connection,
            now=NOW,
            since=NOW - timedelta(days=30),
            threshold=2.5,
            current_model=MODEL,
            thumbnails=thumbnails,  # type: ignore[arg-type]
        )
    engine.dispose()
    return gathered


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "no browser: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
        "--window-size=1200,1600",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def opened(browser: webdriver.Chrome, page: Path) -> webdriver.Chrome:
    browser.get(page.as_uri())
    return browser


def answer(browser: webdriver.Chrome) -> tuple[str, str, str]:
    at, sellers, photos = (browser.find_element(By.ID, name).text for name in ("at", "sellers", "photos"))
    return at, sellers, photos


def move(browser: webdriver.Chrome, key: str, times: int) -> None:
    browser.find_element(By.ID, "threshold").send_keys(key * times)


def tiles(browser: webdriver.Chrome, side: str) -> list[str]:
    return [each.text for each in browser.find_elements(By.CSS_SELECTOR, f"#{side} .stars b")]


def test_the_page_starts_at_the_threshold_of_today(opened: webdriver.Chrome) -> None:
    assert answer(opened) == ("2.50", "3", "3")
    assert tiles(opened, "below") == ["2.49", "2.00", "0.50"]
    assert tiles(opened, "kept") == ["2.50", "3.00", "4.00", "4.90"]


def test_the_slider_says_who_would_be_asked(opened: webdriver.Chrome) -> None:
    move(opened, Keys.ARROW_RIGHT, 1)
    assert answer(opened) == ("2.55", "4", "4")
    assert tiles(opened, "below")[0] == "2.50"
    move(opened, Keys.END, 1)
    assert answer(opened) == ("5.00", "6", "7")
    move(opened, Keys.HOME, 1)
    assert answer(opened) == ("0.00", "0", "0")
    opened.find_element(By.ID, "reset").click()
    assert answer(opened) == ("2.50", "3", "3")


def test_a_screen_reader_hears_what_the_slider_does(opened: webdriver.Chrome) -> None:
    slider = opened.find_element(By.ID, "threshold")
    assert slider.accessible_name == "Threshold, 0 to 5 stars"
    move(opened, Keys.ARROW_LEFT, 2)
    assert slider.get_attribute("aria-valuetext") == "2.40: 2 sellers, 2 photos"
    assert opened.find_element(By.ID, "answer").aria_role == "status"
    unlabelled = opened.find_elements(By.CSS_SELECTOR, "img:not([alt]), svg:not([aria-label]), select:not([id])")
    assert unlabelled == []


def test_reasons_days_and_models_follow_the_slider(opened: webdriver.Chrome) -> None:
    reasons = [each.text.split("\n") for each in opened.find_elements(By.CSS_SELECTOR, "#reasons li")]
    assert sorted(map(tuple, reasons)) == [("blurry", "66.7%"), ("too dark", "66.7%")]
    assert len(opened.find_elements(By.CSS_SELECTOR, "#trend circle")) == 3
    rows = opened.find_elements(By.CSS_SELECTOR, "#models tbody tr")
    assert [row.find_element(By.CLASS_NAME, "sellers").text for row in rows] == ["3", "4"]
    move(opened, Keys.HOME, 1)
    assert opened.find_elements(By.CSS_SELECTOR, "#reasons li") == []
    assert [row.find_element(By.CLASS_NAME, "sellers").text for row in rows] == ["0", "0"]


def test_another_model_is_shown_on_demand(opened: webdriver.Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "#model option:nth-child(2)").click()
    assert answer(opened) == ("2.50", "4", "4")
    assert tiles(opened, "below") == ["2.10", "2.09", "1.60", "0.10"]


def test_photos_are_shown_or_said_to_be_missing(opened: webdriver.Chrome) -> None:
    pictures = opened.find_elements(By.CSS_SELECTOR, ".photos img")
    loaded = [opened.execute_script("return arguments[0].naturalWidth", picture) for picture in pictures]
    assert loaded == [176] * 6
    assert [each.text for each in opened.find_elements(By.CSS_SELECTOR, ".frame > span")] == ["no picture"]


def test_hostile_names_are_text(opened: webdriver.Chrome) -> None:
    assert opened.title.startswith("Retake")
    assert {each.text for each in opened.find_elements(By.CSS_SELECTOR, ".photos .ad")} == {HOSTILE}
    assert HOSTILE[:64].replace("_", " ") in opened.find_element(By.CSS_SELECTOR, ".kinds").text


def test_the_page_asks_for_nothing_and_says_nothing_on_the_console(opened: webdriver.Chrome, page: Path) -> None:
    opened.get(page.as_uri())
    move(opened, Keys.ARROW_RIGHT, 1)
    messages = [json.loads(entry["message"])["message"] for entry in log(opened, "performance")]
    asked = {
        urlsplit(message["params"]["request"]["url"]).scheme
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    # The tab that the browser starts with may still load pages of the browser, and late on a busy machine.
    assert asked - {"chrome", "chrome-untrusted"} == {"file", "data"}
    assert [entry["message"] for entry in log(opened, "browser")] == []


def test_dark_is_dark(opened: webdriver.Chrome) -> None:
    def brightness() -> int:
        colour = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(",")))

    light = brightness()
    features = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    assert brightness() < 150
    assert light > 600
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_phone_need_not_scroll_sideways(opened: webdriver.Chrome) -> None:
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
    assert (
        opened.execute_script("const box = document.querySelector('.scroll'); return box.scrollWidth - box.clientWidth")
        == 0
    )
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_allows_its_own_script_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in text
    assert text.count("<script") == 2
    assert "unsafe-inline" not in text
    assert len(text) < 3_000_000
