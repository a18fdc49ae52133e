"""The job that embeds items: their texts to vectors, and the word that they can be shown."""

import asyncio
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jobs.embed.engine import MODEL, Engine, Vectors, open_engine
from jobs.runtime import job
from server import items, settings
from server.kernel.services import Services

# Beyond the tokens that the model reads anyway, even of short words; it spares the tokenizer.
_LONGEST_TEXT = 2000

_one_at_a_time = threading.Lock()


@job(items.EMBED)
async def embed(services: Services, args: items.EmbedItems) -> None:
    """Store the vectors of items, all of them or none; those that are gone are left out."""
    async with services.database.read() as db:
        texts = await items.texts_to_embed(db, MODEL, args.ids)
    if not texts:
        return
    vectors = await asyncio.to_thread(
        _vectors, [text_of(each.title, each.body_text) for each in texts]
    )
    rows = [
        items.Embedding(each.id, each.edited_at, vector.tolist())
        for each, vector in zip(texts, vectors, strict=True)
    ]
    async with services.write() as db:
        await items.save_embeddings(db, MODEL, rows, services.clock.now())


def text_of(title: str | None, body: str) -> str:
    """Join what is said of an item: the title first, for long texts are cut at their end."""
    parts = (part.strip() for part in (title or "", body))
    return "\n".join(part for part in parts if part)[:_LONGEST_TEXT]


def _vectors(texts: Sequence[str]) -> Vectors:
    with _one_at_a_time:
        return _engine().embed(texts)


@cache
def _engine() -> Engine:
    """Load the engine that the settings name, at the first job of the process."""
    chosen = settings.load(dotenv=Path(".env"))
    return open_engine(chosen.embedding_engine, chosen.home / "models")
