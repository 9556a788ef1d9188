"""The page in a real Chromium, before a real gateway: ask, watch, stop, leave."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.gateway.serving import gateway
from tests.gateway.upstream import BOUND_S, ENDING, Upstream, Visit, chunk

if TYPE_CHECKING:
    from tests.gateway.upstream import Script

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

Opener = Callable[..., AbstractAsyncContextManager[tuple[Page, Upstream]]]


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
    """Open the page of a gateway before an upstream. What the browser complains about fails the test."""

    @asynccontextmanager
    async def opened(script: Script, *, expected: str = "") -> AsyncIterator[tuple[Page, Upstream]]:
        complaints: list[str] = []
        async with gateway(script) as (upstream, port), await browser.new_context() as context:
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if said.type in _COMPLAINTS else None)
            await page.goto(f"http://127.0.0.1:{port}/")
            yield page, upstream
        assert [said for said in complaints if not expected or expected not in said] == []

    return opened


async def ask(page: Page, prompt: str = "Hi") -> None:
    await page.fill("#prompt", prompt)
    await page.press("#prompt", "Enter")


async def shows(page: Page, text: str, *, where: str = '[data-testid="answer"]') -> None:
    await expect(page.locator(where).last).to_contain_text(text, timeout=BOUND_S * 1000)


async def test_an_answer_grows_before_ones_eyes(page_before: Opener) -> None:
    steps = [asyncio.Event() for _ in range(3)]

    async def script(visit: Visit) -> None:
        await visit.begin()
        for text, step in zip(("Once ", "upon a ☃", " <b>time</b>"), steps, strict=True):
            await visit.send(chunk(text))
            await step.wait()
        await visit.send(ENDING)
        await visit.end()

    async with page_before(script) as (page, upstream):
        await ask(page, "Tell me\na story")
        for text, step in zip(("Once", "Once upon a ☃", "Once upon a ☃ <b>time</b>"), steps, strict=True):
            await shows(page, text)
            await expect(page.locator("#stop")).to_be_visible()
            step.set()
        await expect(page.locator("#status")).to_contain_text(re.compile("Done.*7 tokens out", re.DOTALL))
        await expect(page.locator("#stop")).to_be_hidden()
        await expect(page.get_by_test_id("notice")).to_be_hidden()
    assert upstream.visits[0].body["messages"][0]["content"] == "Tell me\na story"


async def silent(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("Hel"))
    await visit.wait_left()


async def before_first_token(visit: Visit) -> None:
    await visit.wait_left()


@pytest.mark.parametrize("script", [silent, before_first_token])
async def test_stop_stops_the_model(script: Script, page_before: Opener) -> None:
    async with page_before(script) as (page, upstream):
        await ask(page)
        visit = await upstream.visit()
        if script is silent:
            await shows(page, "Hel")
        await page.click("#stop")
        await visit.wait_left()
        await upstream.none_open()
        await shows(page, "Stopped", where="#status")
        if script is silent:
            await shows(page, "Hel")  # what had come stays


@pytest.mark.parametrize("script", [silent, before_first_token])
async def test_closing_the_tab_stops_the_model(script: Script, page_before: Opener) -> None:
    async with page_before(script) as (page, upstream):
        await ask(page)
        visit = await upstream.visit()
        if script is silent:
            await shows(page, "Hel")
        await page.close()
        await visit.wait_left()
        await upstream.none_open()


async def test_a_failure_is_shown_and_what_had_come_stays(page_before: Opener) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(chunk("Hel"))
        visit.cut()

    async with page_before(script) as (page, _):
        await ask(page)
        await shows(page, "the stream broke", where='[data-testid="problem"]')
        await shows(page, "Hel")
        await shows(page, "Cut off", where="#status")


async def test_a_request_that_is_no_good_is_explained(page_before: Opener) -> None:
    async with page_before(silent, expected="400 (Bad Request)") as (page, upstream):
        await page.fill("#model", "nobody/m")
        await ask(page)
        await shows(page, "no provider 'nobody' is known", where='[data-testid="problem"]')
    assert upstream.visits == []
