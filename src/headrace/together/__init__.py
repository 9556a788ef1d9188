"""Several streams at once: merged under labels, gathered, or raced. Blocking ones on threads, async ones on tasks."""

from headrace.together.gather import gather
from headrace.together.merge import AsyncMerge, Merge, merge
from headrace.together.race import AsyncRace, Race, race

__all__ = ["AsyncMerge", "AsyncRace", "Merge", "Race", "gather", "merge", "race"]
