"""Every page in a real browser, light and dark: no exception, nothing on the console, no request to the network."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from inspect import getmodule, getsource
from pathlib import Path

import pytest
from api_server import serve_api
from ask_support import BY_SOURCE, Held
from fake_llm import Call, FakeModel
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright
from ports import find_free_port

from data_stack.registry import SOURCES
from data_stack.settings import PROJECT_ROOT, Settings
from serving.executor import choose_executor
from serving.open_metrics import OpenMetrics
from streamlit_app import app_pages
from streamlit_app.page import FoundPage, find_pages

pytestmark = pytest.mark.slow

PAGES = find_pages(app_pages)
PAGES_WITH_PERIOD = [found for found in PAGES if "choose_period(" in getsource(getmodule(found.render) or object)]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "no Chromium is found; `apt-get install chromium` installs one, or set CHROME_PATH to yours"
# Streamlit asks for these below the page's path first, when a page is opened by its URL
PROBES = ("/_stcore/health", "/_stcore/host-config")
CHART = "chart => chart.querySelector('.main-svg, .gl-container')"
# a page with a field for prompts at its end has another element
MAIN = "document.querySelector('[data-testid=stMain], [data-testid=stAppScrollToBottomContainer]')"
ANSWER = "Rows of <b>all</b> sources, *by source* :red[!] $x$"
WIDTH, HEIGHT = 1280, 1000
PERIOD = re.compile(r"(\d+ \w{3} \d{4}) to (\d+ \w{3} \d{4})")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; skipped without one, but not in CI, where nobody would see it."""
    found = os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail(INSTALL)
    pytest.skip(INSTALL)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        # as root, which CI is, Chromium has no sandbox
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def model() -> Iterator[FakeModel]:
    """A server on loopback in place of a model, which looks for a metric, asks for it and answers."""
    query = Call("query_metrics", {"query": BY_SOURCE.model_dump(mode="json", exclude_defaults=True)})
    with FakeModel([Call("list_metrics"), query, Call("answer", {"text": ANSWER})]) as started:
        yield started


@pytest.fixture(scope="session")
def analyst(demo: Settings, model: FakeModel) -> Held:
    """The analyst of the demo, with that model."""
    chosen = {"model": "openai-chat:some-model", "model_base_url": model.url("openai-chat")}
    settings = demo.model_copy(update=chosen)
    return Held(choose_executor(settings, OpenMetrics(settings)))


@pytest.fixture(scope="session")
def api_port(demo: Settings, analyst: Held) -> Iterator[int]:
    """Port of the API of the demo."""
    with serve_api(demo, analyst) as port:
        yield port


@pytest.fixture(scope="session")
def server(demo: Settings, api_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the pages on the demo's warehouse, on loopback."""
    port = find_free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/Home.py", "--server.port", str(port)]
    with log.open("w") as out:
        environment = os.environ | {"DATA_DIR": str(demo.data_dir), "API_PORT": str(api_port)}
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=out)
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the screenshots: SCREENSHOTS_DIR, else one that pytest removes."""
    chosen = os.environ.get("SCREENSHOTS_DIR")
    folder = PROJECT_ROOT / chosen if chosen else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


class Watch:
    """What a page says on its console, and what it asks the network for."""

    def __init__(self, page: Page, server: str) -> None:
        self.problems: list[str] = []
        self.server = server
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        if message.type == "error" and not url.endswith(PROBES):
            self.problems.append(f"console: {message.text} ({url})")

    def _request(self, request: Request) -> None:
        if request.url.startswith("http") and not request.url.startswith(self.server):
            self.problems.append(f"leaves the machine: {request.url}")


def wait_until_drawn(page: Page, title: str) -> None:
    """The script has ended, and every chart and table is there."""
    page.get_by_role("heading", name=title, level=1).wait_for(timeout=30_000)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=30_000)
    page.wait_for_function("!document.querySelector('[data-testid=\"stSkeleton\"]')", timeout=30_000)
    page.wait_for_function(f"[...document.querySelectorAll('.stPlotlyChart')].every({CHART})", timeout=30_000)
    # charts take their place one after another
    page.wait_for_timeout(700)


def assert_sound(page: Page) -> None:
    """No exception, no message about a failure, no title or legend beyond its chart."""
    assert page.locator(".stException").count() == 0
    failures = page.locator('[data-testid="stAlertContentError"]').all_inner_texts()
    assert failures == []
    wide = page.evaluate(f"{MAIN}.scrollWidth")
    assert wide <= page.evaluate(f"{MAIN}.clientWidth")


def shoot(page: Page, path: Path) -> None:
    """The page to its end, which a window shows only when it is as high."""
    high = page.evaluate(f"{MAIN}.scrollHeight")
    page.set_viewport_size({"width": WIDTH, "height": min(int(high) + 20, 6000)})
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_by_a_click_on_the_menu(browser: Browser, server: str, screenshots: Path, theme: str) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)  # type: ignore[arg-type]
    watch = Watch(page, server)
    page.goto(server)
    for found in PAGES:
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=found.page.title, exact=True).click()
        wait_until_drawn(page, found.page.title)
        assert_sound(page)
        shoot(page, screenshots / f"{found.name}-{theme}.png")
        assert watch.problems == [], found.name
    page.close()


def build_url(server: str, found: FoundPage) -> str:
    """URL of a page; the start page has no path."""
    return f"{server}/" if found == PAGES[0] else f"{server}/{found.name}"


def find_period_field(page: Page) -> Locator:
    """The field of the period."""
    return page.get_by_test_id("stSidebar").get_by_role("combobox", name="Period")


def wait_for_days(page: Page, days: int) -> None:
    """The sidebar says that a period of so many days is shown."""
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text(PERIOD).wait_for()
    page.wait_for_function(
        "([pattern, days]) => {"
        " const found = document.querySelector('[data-testid=stSidebar]').innerText.match(pattern);"
        " return found && Math.round((new Date(found[2]) - new Date(found[1])) / 864e5) === days - 1 }",
        arg=[PERIOD.pattern, days],
    )


@pytest.mark.skipif(len(PAGES_WITH_PERIOD) < 2, reason="fewer than two pages have a period")
def test_a_filter_changes_the_page_and_the_url_and_survives_a_click(browser: Browser, server: str) -> None:
    first, second = PAGES_WITH_PERIOD[:2]
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    watch = Watch(page, server)
    page.goto(build_url(server, first))
    wait_until_drawn(page, first.page.title)
    find_period_field(page).click()
    page.get_by_role("option", name="Last 7 days").click()
    page.wait_for_url("**/*period=Last+7+days*")
    wait_for_days(page, 7)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=second.page.title, exact=True).click()
    for again in (False, True):
        if again:
            page.reload()
        wait_until_drawn(page, second.page.title)
        wait_for_days(page, 7)
        assert "period=Last+7+days" in page.url
    # on a slow machine, the page was in the history without its filters before it was there with them
    for _ in range(2):
        if page.url.startswith(build_url(server, second)):
            page.go_back()
    wait_until_drawn(page, first.page.title)
    assert_sound(page)
    assert watch.problems == []
    page.close()


def test_a_question_is_answered_and_its_link_answers_it_again(
    browser: Browser, server: str, analyst: Held, model: FakeModel, screenshots: Path
) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    watch = Watch(page, server)
    page.goto(f"{server}/ask")
    wait_until_drawn(page, "Ask")
    question = page.get_by_test_id("stChatInputTextArea")
    question.fill("loaded rows by source")
    question.press("Enter")
    # the steps appear while the agent works
    page.get_by_text("asks for loaded_rows, rejected_rows", exact=True).wait_for()
    analyst.may_answer.set()
    page.get_by_text(ANSWER, exact=True).wait_for()
    wait_until_drawn(page, "Ask")
    assert_sound(page)
    assert page.locator(".stPlotlyChart").count() == len(BY_SOURCE.metrics)
    page.get_by_text("Query and SQL").click()
    link = page.get_by_role("link", name="Open by its link")
    link.wait_for()
    shoot(page, screenshots / "ask-answered-light.png")
    answered = download_rows(page)
    assert len(answered) >= len(SOURCES)
    with page.context.expect_page() as opened:
        link.click()
    again = opened.value
    again.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    watch_again = Watch(again, server)
    again.get_by_text("The same as a table").wait_for()
    wait_until_drawn(again, "Ask")
    assert_sound(again)
    shoot(again, screenshots / "ask-linked-light.png")
    assert download_rows(again) == answered
    # the link asked no agent and no model
    assert (len(analyst.asked), len(model.requests)) == (1, 3)
    assert watch.problems == watch_again.problems == []
    page.close()
    again.close()


def download_rows(page: Page) -> list[str]:
    """The lines of the table that the only button of the page downloads, without the first one."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    return Path(download.value.path()).read_text().splitlines()[1:]


def test_a_table_downloads(browser: Browser, server: str) -> None:
    page = browser.new_page()
    page.goto(server)
    wait_until_drawn(page, "Home")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("source,origin,rows,data_through")
    assert [line.split(",")[0] for line in lines[1:]] == [source.title for source in SOURCES]
    page.close()


def test_a_url_with_garbage_opens_the_page(browser: Browser, server: str) -> None:
    page = browser.new_page()
    watch = Watch(page, server)
    for found in PAGES_WITH_PERIOD:
        page.goto(f"{build_url(server, found)}?period=%27%3B%20drop&by=%3Cscript%3E")
        wait_until_drawn(page, found.page.title)
        assert_sound(page)
        assert "Period: the URL contains a value that is invalid" in page.get_by_test_id("stSidebar").inner_text()
        assert watch.problems == [], found.name
    page.close()
