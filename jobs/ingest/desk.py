"""What the jobs of ingestion share: fetching with turns, the rules of hosts, reading apart."""

import random
from datetime import datetime

from jobs.ingest import readers
from jobs.ingest.answers import Answered, NotFetched, NoTurnYet, Page
from jobs.ingest.feed import NotAFeed
from jobs.ingest.fetch import PAGES, Ask, Fetcher
from jobs.ingest.parse import Feed, Given
from jobs.ingest.reading import Drawn, ReadDocument, ReadPicture, Refused
from jobs.ingest.robots import Robots
from jobs.ingest.turns import NoTurn, Pace, Turns
from server.kernel.services import Services

# How often a host is asked by all workers together.
PACE = Pace()
_chance = random.Random()  # noqa: S311 - nothing is guarded by it


class Desk:
    """Fetches and reads for one job."""

    def __init__(self, services: Services) -> None:
        policy = services.policy
        self._clock = services.clock
        self.turns = Turns(services.redis, PACE)
        self.fetcher = Fetcher(
            self.turns, private=policy.fetch_private_addresses, public_url=policy.public_url
        )
        self.robots = Robots(services.redis, self.fetcher)

    def now(self) -> datetime:
        """Say what time it is."""
        return self._clock.now()

    async def ask(self, ask: Ask) -> Answered:
        """Fetch what anybody is asked to fetch: a feed, and what else is published for programs."""
        return await self.fetcher.fetch(ask, self.now())

    async def ask_page(self, ask: Ask) -> Answered:
        """Fetch a page for people, if its host lets robots have it, and as slowly as it says."""
        try:
            rules = await self.robots.rules(ask.url, self.now())
        except NoTurn as refusal:
            return NoTurnYet(refusal.wait)
        if not rules.may:
            return NotFetched(reason="The robots.txt of its host asks us to leave it alone.")
        slowly = Ask(
            url=ask.url,
            etag=ask.etag,
            last_modified=ask.last_modified,
            accept=PAGES,
            patience=max(ask.patience, 2 * rules.spacing_seconds),
            spacing_seconds=rules.spacing_seconds,
        )
        return await self.fetcher.fetch(slowly, self.now())

    async def read(self, page: Page, given: Given) -> Feed:
        """Read what an address answered.

        Raises:
            NotAFeed: it is not what is wanted, or asks too much of us.

        """
        order = ReadDocument(page.content, given, self.now())
        result = await readers.of_this_process().carry_out(order)
        if isinstance(result, Refused):
            raise NotAFeed(result.reason)
        if isinstance(result, Drawn):
            raise NotAFeed("It is a picture.")
        return result.feed

    async def draw(self, page: Page) -> Drawn | Refused:
        """Make a picture of ours of what an address answered."""
        result = await readers.of_this_process().carry_out(ReadPicture(page.content))
        return result if isinstance(result, Drawn | Refused) else Refused("It is a document.")


def chance() -> float:
    """Give a number between 0 and 1, by which what would come together is spread."""
    return _chance.random()
