"""The administrator's side: which PostgreSQL there is, and who may load it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zava.admin.embedded import EmbeddedServer, default_data_dir
from zava.ai.client import AIClient, AISettings, create_ai_client
from zava.errors import ConfigurationError
from zava.settings import Settings

if TYPE_CHECKING:
    from zava.admin.loading import DatabaseLoader

EMBEDDED_DATABASE = "zava"
_SUPERUSER = "postgres"


def embedded_server(settings: Settings) -> EmbeddedServer:
    """Return the embedded PostgreSQL that the settings name, not yet started."""
    data_dir = settings.data_dir or default_data_dir()
    return EmbeddedServer(data_dir, version=settings.embedded_version)


def initialised_server(settings: Settings) -> EmbeddedServer:
    """Return the embedded PostgreSQL if it has been made; nothing is made here.

    Raises:
        ConfigurationError: It has not, or ZAVA_DATA_DIR names another folder.
    """
    server = embedded_server(settings)
    if not server.is_initialised:
        folder = settings.data_dir or default_data_dir()
        raise ConfigurationError(
            f"there is no embedded PostgreSQL {settings.embedded_version} in {folder}:"
            " run `zava init`, set ZAVA_DATA_DIR to the folder that has one, or"
            " ZAVA_DATABASE_URL to a database of yours"
        )
    return server


@contextmanager
def open_loader(
    settings: Settings, *, create: bool = False
) -> Iterator[tuple[DatabaseLoader, bool]]:
    """Yield the administrator's hold of the database, and whether it is embedded.

    Args:
        settings: `admin_url` names the database; empty for the embedded one.
        create: Make the embedded server's database if it is not there.

    Raises:
        ConfigurationError: There is no administrator's connection.
    """
    from zava.admin.loading import DatabaseLoader  # the server does without

    url = settings.admin_url.get_secret_value()
    if url:
        yield DatabaseLoader(url), False
        return
    if not settings.is_embedded:
        raise ConfigurationError(
            "the server's login may not do this: give --admin-url or set ZAVA_ADMIN_URL"
        )
    find = embedded_server if create else initialised_server
    with find(settings) as server:
        if create:
            home = server.conninfo(dbname=_SUPERUSER, user=_SUPERUSER)
            DatabaseLoader(home).create_database(EMBEDDED_DATABASE)
        conninfo = server.conninfo(dbname=EMBEDDED_DATABASE, user=_SUPERUSER)
        yield DatabaseLoader(conninfo), True


@contextmanager
def open_embedder(settings: Settings) -> Iterator[AIClient | None]:
    """Yield what embeds the products, None where nothing is there to do it.

    Raises:
        ConfigurationError: The provider that is set is not there.
    """
    client = create_ai_client(
        settings,
        AISettings(),
        sleep=time.sleep,
        check_cancelled=lambda: None,
        is_batch=True,
    )
    try:
        yield client
    finally:
        if client is not None:
            client.close()
