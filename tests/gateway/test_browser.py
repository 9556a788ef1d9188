"""The page in a real Chromium, before a real gateway: ask, watch, stop, leave."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from headrace.sim import Answer, Scenario, Simulator
from headrace.sim.writing.tokens import count
from tests.gateway.serving import gateway
from tests.simulated import BOUND_S, HANGING, asked, left_async, stalling

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_COMPLAINTS = ("error", "warning")
_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


pytestmark = pytest.mark.asyncio(loop_scope="module")

Opener = Callable[..., AbstractAsyncContextManager[tuple[Page, Simulator]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip(f"no Chromium is installed ({', '.join(_NAMES)})")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=Path(chromium), args=_OPTIONS)
        yield browser
        await browser.close()


@pytest.fixture
def page_before(browser: Browser) -> Opener:
    """Open the page of a gateway before a provider. What the browser complains about fails the test."""

    @asynccontextmanager
    async def opened(scenario: Scenario, *, expected: str = "") -> AsyncIterator[tuple[Page, Simulator]]:
        complaints: list[str] = []
        async with gateway(scenario) as (sim, port), await browser.new_context() as context:
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if said.type in _COMPLAINTS else None)
            await page.goto(f"http://127.0.0.1:{port}/")
            yield page, sim
        assert [said for said in complaints if not expected or expected not in said] == []

    return opened


async def ask(page: Page, prompt: str = "Hi") -> None:
    await page.fill("#prompt", prompt)
    await page.press("#prompt", "Enter")


async def shows(page: Page, text: str, *, where: str = '[data-testid="answer"]') -> None:
    await expect(page.locator(where).last).to_contain_text(text, timeout=BOUND_S * 1000)


async def test_an_answer_grows_before_ones_eyes(page_before: Opener) -> None:
    steps = ["Once", "Once upon a ☃", "Once upon a ☃ <b>time</b>"]
    holds = tuple([f"hold:{number}@token:{count(text)}" for number, text in enumerate(steps)])
    scenario = Scenario(answer=Answer(text=steps[-1], usage={"output_tokens": 7}), faults=holds)
    async with page_before(scenario) as (page, sim):
        await ask(page, "Tell me\na story")
        for number, text in enumerate(steps):
            await shows(page, text)
            await expect(page.locator("#stop")).to_be_visible()
            sim.release(f"{number}")
        await expect(page.locator("#status")).to_contain_text(re.compile("Done.*7 tokens out", re.DOTALL))
        await expect(page.locator("#stop")).to_be_hidden()
        await expect(page.get_by_test_id("notice")).to_be_hidden()
    assert sim.journal.last.body["messages"][0]["content"] == "Tell me\na story"


BEGUN = stalling("Hello")
BOTH = pytest.mark.parametrize("scenario", [BEGUN, HANGING], ids=["begun", "hanging"])


@BOTH
async def test_stop_stops_the_model(scenario: Scenario, page_before: Opener) -> None:
    async with page_before(scenario) as (page, sim):
        await ask(page)
        await asked(sim)
        if scenario is BEGUN:
            await shows(page, "Hello")
        await page.click("#stop")
        assert (await left_async(sim)).left_at_token == (scenario is BEGUN)
        await shows(page, "Stopped", where="#status")
        if scenario is BEGUN:
            await shows(page, "Hello")  # what had come stays


@BOTH
async def test_closing_the_tab_stops_the_model(scenario: Scenario, page_before: Opener) -> None:
    async with page_before(scenario) as (page, sim):
        await ask(page)
        await asked(sim)
        if scenario is BEGUN:
            await shows(page, "Hello")
        await page.close()
        assert (await left_async(sim)).left_at_token == (scenario is BEGUN)


async def test_a_failure_is_shown_and_what_had_come_stays(page_before: Opener) -> None:
    async with page_before(Scenario(answer="Hello there.", faults=("reset@token:1",))) as (page, _):
        await ask(page)
        await shows(page, "the stream broke", where='[data-testid="problem"]')
        await shows(page, "Hello")
        await shows(page, "Cut off", where="#status")


async def test_a_request_that_is_no_good_is_explained(page_before: Opener) -> None:
    async with page_before(BEGUN, expected="400 (Bad Request)") as (page, sim):
        await page.fill("#model", "nobody/m")
        await ask(page)
        await shows(page, "no provider 'nobody' is known", where='[data-testid="problem"]')
    assert sim.journal.exchanges == []
