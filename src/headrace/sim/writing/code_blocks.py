"""Small programs that are right in their languages, with names from the prompt's topic.

``<snake>``, ``<Pascal>`` and ``<n>`` are filled in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.sim.dice import Dice
    from headrace.sim.writing.topic import Topic

_PYTHON = '''\
from dataclasses import dataclass


@dataclass
class <Pascal>Gauge:
    """Watch <snake>, a level at a time."""

    limit: float = <n>.0
    level: float = 0.0

    def add(self, amount: float) -> bool:
        """Say whether there is room for more."""
        self.level = min(self.limit, self.level + amount)
        return self.level < self.limit


def count_<snake>(levels: list[float]) -> int:
    gauge = <Pascal>Gauge()
    return sum(1 for level in levels if gauge.add(level))


print(count_<snake>([1.5, 2.0, <n>.0]))  # naïve, but it runs
'''

_PYTHON_ASYNC = '''\
import asyncio


async def drip_<snake>(pieces: list[str], pause_s: float = 0.01):
    """Give the pieces one by one."""
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece


async def main() -> None:
    async for piece in drip_<snake>(["head", "race"] * <n>):
        print(piece, end=" ", flush=True)


asyncio.run(main())
'''

_JAVASCRIPT = """\
export async function* read<Pascal>(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let turn = 0; turn < <n>; turn += 1) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  }
}
"""

_TYPESCRIPT = """\
interface <Pascal> {
  readonly name: string;
  level?: number;
}

export function rank<Pascal>(items: <Pascal>[], most = <n>): string[] {
  return [...items]
    .sort((a, b) => (b.level ?? 0) - (a.level ?? 0))
    .slice(0, most)
    .map(({ name }) => `• ${name}`);
}
"""

_RUST = """\
/// Counts <snake>, and stops at a limit.
pub fn count_<snake>(levels: &[f64], limit: f64) -> usize {
    levels
        .iter()
        .scan(0.0, |sum, level| {
            *sum += level;
            Some(*sum)
        })
        .take_while(|sum| *sum <= limit)
        .count()
}

fn main() {
    println!("{}", count_<snake>(&[1.5, 2.0, 4.0], <n>.0));
}
"""

_GO = """\
package main

import "fmt"

// drip<Pascal> sends the pieces one by one.
func drip<Pascal>(pieces []string) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for _, piece := range pieces {
			out <- piece
		}
	}()
	return out
}

func main() {
	for piece := range drip<Pascal>([]string{"head", "race"}) {
		fmt.Printf("%-<n>s|", piece)
	}
}
"""

_SQL = """\
CREATE TABLE <snake>_log (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL,
  level REAL CHECK (level >= 0)
);

SELECT name, avg(level) AS mean, count(*) AS times
FROM <snake>_log
WHERE name <> 'façade'
GROUP BY name
HAVING count(*) > <n>
ORDER BY mean DESC;
"""

_BASH = """\
#!/usr/bin/env bash
set -euo pipefail

count_<snake>() {
  local limit="${1:-<n>}" total=0
  while IFS= read -r line && (( total < limit )); do
    printf '%3d  %s\\n' "$((++total))" "$line"
  done
}

count_<snake> "$@" < /etc/hosts
"""

_HTML = """\
<!doctype html>
<html lang="en">
  <title><snake></title>
  <p id="out" class="<snake>">0 of <n></p>
  <script>
    document.querySelector("#out").textContent = "<b>not bold</b> &amp; done";
  </script>
</html>
"""

LANGUAGES: dict[str, tuple[str, ...]] = {
    "python": (_PYTHON, _PYTHON_ASYNC),
    "javascript": (_JAVASCRIPT,),
    "typescript": (_TYPESCRIPT,),
    "rust": (_RUST,),
    "go": (_GO,),
    "sql": (_SQL,),
    "bash": (_BASH,),
    "html": (_HTML,),
}

_NAMED = {
    "python": r"python|pandas|django|asyncio|\bpy\b",
    "javascript": r"javascript|\bjs\b|node\.?js",
    "typescript": r"typescript|\bts\b",
    "rust": r"\brust\b|cargo",
    "go": r"golang|\bin go\b|\bgo (?:code|function|program)",
    "sql": r"\bsql\b|sqlite|postgres",
    "bash": r"\bbash\b|\bshell\b|command line",
    "html": r"\bhtml\b|web ?page",
}


def named_languages(prompt: str) -> list[str]:
    """Give the languages that a prompt names."""
    return [language for language, pattern in _NAMED.items() if re.search(pattern, prompt, re.IGNORECASE)]


def code_block(language: str, topic: Topic, dice: Dice) -> str:
    """Write a fenced block."""
    code = dice.pick(LANGUAGES[language])
    fields = {"snake": topic.snake, "Pascal": topic.pascal, "n": str(dice.between(3, 12))}
    filled = re.sub(r"<(snake|Pascal|n)>", lambda match: fields[match[1]], code)
    return f"```{language}\n{filled}```"
