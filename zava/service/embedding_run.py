"""One run of `zava embed`: vectors for the products that need one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from zava.data.embeddings import EmbeddingTable
from zava.infra.ai import AIClient

BATCH = 256
"""Products that are embedded and written together, and lost together in a crash."""


@dataclass(frozen=True)
class EmbeddingSummary:
    """What a run did.

    Attributes:
        model: What made the vectors.
        embedded: How many products got one.
        products: How many there are.
        seconds: How long it took.
        index: The index that was looked after, None for none.
    """

    model: str
    embedded: int
    products: int
    seconds: float
    index: str | None


def embed_products(
    table: EmbeddingTable,
    client: AIClient,
    on_progress: Callable[[int, int], None],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> EmbeddingSummary:
    """Embed the products that need it, batch by batch.

    A batch that was written stays: a run that ends early is taken up by the next.

    Args:
        table: Which products need a vector, and where it goes.
        client: What makes it.
        on_progress: Told how many are done, of how many.
        clock: Monotonic seconds.

    Raises:
        EmbeddingError: The service failed for too long.
        MCPError: The database failed.
    """
    started = clock()
    pending, products = table.count_pending()
    if not pending and table.has_index():
        return EmbeddingSummary(client.model, 0, products, clock() - started, None)
    on_progress(0, pending)
    done, dimensions = 0, 0
    table.prepare(pending, products)
    batch = table.read_pending(BATCH)
    while batch:
        vectors = client.embed([product.embedded_text for product in batch])
        table.write(batch, vectors)
        done, dimensions = done + len(batch), len(vectors[0])
        on_progress(done, max(pending, done))
        batch = table.read_pending(BATCH, batch[-1].product_id)
    if not dimensions:
        # An earlier run ended between its last batch and the index.
        dimensions = len(client.embed(["paint"])[0])
    index = table.finish(dimensions, done, products)
    return EmbeddingSummary(client.model, done, products, clock() - started, index)
