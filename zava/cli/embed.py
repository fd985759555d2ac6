"""`zava embed`: vectors of the products, for search by meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from zava.cli.command import explain_errors
from zava.errors import ConfigurationError
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.loading import DatabaseLoader


@click.command()
@click.option(
    "--admin-url",
    metavar="CONNINFO",
    help="Connection of a role that may write the products' vectors"
    " (ZAVA_ADMIN_URL); by default the embedded PostgreSQL's.",
)
@click.option("--all", "is_full", is_flag=True, help="Embed every product again.")
@click.option(
    "--replace",
    is_flag=True,
    help="Also embed again what another service's model has embedded.",
)
@click.option("--dry-run", is_flag=True, help="Say how many need it, and stop.")
@explain_errors
def embed(admin_url: str | None, is_full: bool, replace: bool, dry_run: bool) -> None:
    """Embed the products that are new, changed, or embedded by another model.

    A run that ends early loses nothing: the next one goes on where it stopped. Vectors
    of another service, which somebody paid for, are replaced with --replace only.

    \b
    Examples:
      zava embed --dry-run               how many products need it
      ZAVA_EMBEDDING_PROVIDER=openai zava embed
    """
    from zava.admin.database import open_embedder, open_loader
    from zava.admin.embeddings import EmbeddingTable

    settings = Settings.load(admin_url=admin_url)
    with open_loader(settings) as (loader, _), open_embedder(settings) as client:
        if client is None:
            raise ConfigurationError(
                "nothing embeds texts here: set ZAVA_EMBEDDING_PROVIDER, or"
                ' pip install "zava[embedded]" for the local model'
            )
        if dry_run:
            table = EmbeddingTable(loader.as_owner, client.model, is_full=is_full)
            pending, products = table.count_pending()
            click.echo(f"{pending} of {products} products need {client.model}")
            return
        with loader.alone():
            if not replace:
                _keep_paid_vectors(loader, client.model)
            run_embedding(settings, loader, is_full=is_full)


def run_embedding(
    settings: Settings,
    loader: DatabaseLoader,
    *,
    is_full: bool = False,
    say: Callable[[str], object] = click.echo,
) -> None:
    """Embed what needs it with a progress bar, and say what was done."""
    from zava.admin.database import open_embedder
    from zava.admin.embeddings import EmbeddingTable, embed_products
    from zava.cli.console import progress_bar

    with open_embedder(settings) as client:
        if client is None:
            return
        table = EmbeddingTable(loader.as_owner, client.model, is_full=is_full)
        with progress_bar("embedding products") as move:
            summary = embed_products(
                table,
                client,
                lambda done, total: move(done + 1, total, f"{done} of {total}"),
            )
    if not summary.embedded:
        say(f"embeddings: up to date, {summary.products} by {summary.model}")
        return
    index = f", index {summary.index}" if summary.index else ""
    say(
        f"embeddings: {summary.embedded} of {summary.products} products by"
        f" {summary.model} in {summary.seconds:.1f} s{index}"
    )


def _keep_paid_vectors(loader: DatabaseLoader, model: str) -> None:
    """Refuse to replace what another service than the local model has made."""
    from zava.ai.local import LocalClient

    paid = _models(loader) - {model, LocalClient.model}
    if paid:
        raise ConfigurationError(
            f"products were embedded by {', '.join(sorted(paid))}: --replace embeds"
            f" them again by {model}, or set ZAVA_EMBEDDING_PROVIDER and"
            " ZAVA_EMBEDDING_MODEL as they were then"
        )


def _models(loader: DatabaseLoader) -> set[str]:
    from zava.admin.embeddings import EmbeddingTable

    return EmbeddingTable(loader.as_owner, "").models()


def embed_new(
    settings: Settings, loader: DatabaseLoader, say: Callable[[str], object]
) -> None:
    """Embed new and changed products by what has embedded the others.

    Where nothing is embedded yet the local model does it. A service that is paid for
    is not asked for the first time unbidden.

    Args:
        settings: Which service there is.
        loader: The administrator's connection.
        say: Told what was done, in a line.

    Raises:
        EmbeddingError: The service failed.
    """
    from zava.admin.database import open_embedder
    from zava.admin.loading import is_administrator
    from zava.ai.local import LocalClient

    with loader.connection() as conn:
        may_embed = is_administrator(conn)
    if not may_embed:
        say("embeddings: left to `zava embed`, which is an administrator's command")
        return
    with open_embedder(settings) as client:
        name = client.model if client else ""
    models = _models(loader)
    if name and (name in models or (name == LocalClient.model and not models)):
        with loader.alone():
            run_embedding(settings, loader, say=say)
    elif models:
        say(f"embeddings: left alone, they are by {', '.join(sorted(models))}")
    elif name:
        say("embeddings: none yet; `zava embed` makes them")


def embed_locally(settings: Settings, loader: DatabaseLoader) -> None:
    """Embed with the local model what has no vector at all.

    A service that is paid for is not asked unbidden, and what it has made is kept.
    """
    from zava.ai.client import AISettings, provider_of
    from zava.ai.local import LocalClient

    others = _models(loader) - {LocalClient.model}
    provider = provider_of(settings, AISettings())
    if others:
        click.echo(f"embeddings: left alone, they are by {', '.join(sorted(others))}")
    elif provider == "local":
        run_embedding(settings, loader)
    elif provider != "none":
        click.echo("embeddings: none yet; `zava embed` makes them")
