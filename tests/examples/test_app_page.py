"""The page of the example app, in a real Chromium."""

from __future__ import annotations

import re
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, async_playwright, expect

from headrace.sim import Scenario, Simulator
from tests.examples.running import BOUND_S, MODEL, SKY, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium is installed")


@asynccontextmanager
async def opened(sim: Simulator, home: Path) -> AsyncIterator[Page]:
    """Open the app's page."""
    assert _CHROMIUM is not None
    with serving("fastapi_sse", home=home, env={**sim.env(), "HEADRACE_MODEL": MODEL}) as port:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{port}/")
            yield page
            await browser.close()


async def shows(page: Page, text: str) -> None:
    await expect(page.locator("p")).to_have_text(re.compile(re.escape(text) + r"\s*$"), timeout=BOUND_S * 1000)


async def test_the_page(sim: Simulator, tmp_path: Path) -> None:
    sim.script(Scenario(answer=SKY, faults=("hold:rest@token:3",)))
    async with opened(sim, tmp_path) as page:
        await page.click("text=Ask")
        await shows(page, "Blue light is")
        sim.release("rest")
        await shows(page, f"{SKY}\n[complete]")

        await page.click("text=Ask")
        await shows(page, "Blue light is")
        await page.click("text=Stop")
        await shows(page, "Blue light is\n[stopped]")
        assert (await sim.journal.wait_async(lambda e: e.id == 2 and e.ended_by is not None)).how == "left"

        await page.click("text=Ask")  # and again, before it has said all: only the second answer is shown
        await shows(page, "Blue light is")
        await page.click("text=Ask")
        assert (await sim.journal.wait_async(lambda e: e.id == 3 and e.ended_by is not None)).how == "left"
        await sim.journal.wait_async(lambda e: e.id == 4 and e.tokens == 3)
        sim.release("rest")
        await shows(page, f"{SKY}\n[complete]")
        await expect(page.locator("p")).not_to_contain_text("stopped")

        sim.script(Scenario(answer=SKY, faults=("eof@token:3",)))
        await page.click("text=Ask")
        await shows(page, "Blue light is\n[openai closed the stream early, before the answer was complete]")
