import asyncio

import pytest

from realtime.testing import run
from server.feed.kept import Kept


class Source:
    """Counts how often it was read; reading takes a second, and may be told to fail."""

    def __init__(self) -> None:
        self.reads = 0
        self.fails = False

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await asyncio.sleep(1)
        if self.fails:
            raise ConnectionError
        return number


def kept(source: Source) -> Kept[int]:
    time = asyncio.get_running_loop().time
    return Kept(source.read, fresh_seconds=5, old_seconds=60, time=time)


def test_whoever_asks_at_once_waits_for_one_reading():
    async def story():
        source = Source()
        value = kept(source)
        assert await asyncio.gather(*(value.get() for _ in range(5))) == [1] * 5
        assert await value.get() == 1
        assert source.reads == 1

    run(story())


def test_an_old_value_serves_while_a_new_one_is_read_behind_it():
    async def story():
        value = kept(Source())
        await value.get()
        await asyncio.sleep(6)
        assert await value.get() == 1
        await asyncio.sleep(2)
        assert await value.get() == 2

    run(story())


def test_a_very_old_value_does_not_serve():
    async def story():
        value = kept(Source())
        await value.get()
        await asyncio.sleep(61)
        assert await value.get() == 2

    run(story())


def test_a_forgotten_value_does_not_serve_and_is_read_once():
    async def story():
        source = Source()
        value = kept(source)
        await value.get()
        value.forget()
        assert await asyncio.gather(value.get(), value.get()) == [2, 2]
        assert source.reads == 2

    run(story())


def test_what_was_being_read_when_it_was_forgotten_does_not_serve():
    async def story():
        value = kept(Source())
        first = asyncio.create_task(value.get())
        await asyncio.sleep(0.5)
        value.forget()
        second = asyncio.create_task(value.get())
        assert await first == 1
        assert await second == 2
        assert await value.get() == 2

    run(story())


def test_a_failure_is_told_to_who_waits_and_tried_again_next_time():
    async def story():
        source = Source()
        value = kept(source)
        source.fails = True
        with pytest.raises(ConnectionError):
            await value.get()
        source.fails = False
        assert await value.get() == 2
        await value.close()

    run(story())


def test_a_failure_behind_an_old_value_is_not_the_readers():
    async def story():
        source = Source()
        value = kept(source)
        await value.get()
        source.fails = True
        await asyncio.sleep(6)
        assert await value.get() == 1
        await asyncio.sleep(2)
        assert await value.get() == 1
        source.fails = False
        await asyncio.sleep(2)
        assert await value.get() == 3

    run(story())


def test_one_who_gives_up_takes_the_reading_from_nobody():
    async def story():
        value = kept(Source())
        impatient = asyncio.create_task(value.get())
        patient = asyncio.create_task(value.get())
        await asyncio.sleep(0.1)
        impatient.cancel()
        assert await patient == 1

    run(story())


def test_closing_ends_a_reading():
    async def story():
        value = kept(Source())
        reading = asyncio.create_task(value.get())
        await asyncio.sleep(0.1)
        await value.close()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run(story())
