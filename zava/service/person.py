"""The person whom this server serves: checked once, when it starts."""

from __future__ import annotations

from loguru import logger

from zava.data.identity import parse_user_id
from zava.data.provider import PostgreSQLProvider
from zava.errors import (
    AuthorizationError,
    BusyError,
    ConfigurationError,
    ConnectionSettingsError,
    UnavailableError,
    ValidationError,
)


def served_user_id(text: str) -> str:
    """Return the user id that a setting holds.

    Raises:
        ConfigurationError: It is missing, not a UUID, or nobody's.
    """
    if not text:
        raise ConfigurationError(
            "nobody to serve: give --user ID or set ZAVA_RLS_USER_ID;"
            " `zava users` lists the ids"
        )
    try:
        return str(parse_user_id(text))
    except ValidationError as exc:
        raise ConfigurationError(exc.message) from exc


def meet_served_user(provider: PostgreSQLProvider, user_id: str) -> None:
    """See that the database knows `user_id`, and log who that is.

    A database that cannot be reached is a warning: it may come later. One that
    takes no connection with these settings is an error that is logged here, and
    that every call is answered with.

    Raises:
        ConfigurationError: Nobody, or not for this login.
    """
    try:
        # Once: whoever starts the server waits for it.
        identity = provider.resolve_identity(user_id, max_retries=1)
    except AuthorizationError as exc:
        raise ConfigurationError(exc.message) from exc
    except (UnavailableError, BusyError) as exc:
        logger.warning("{}", exc.message)
        return
    except ConnectionSettingsError as exc:
        # A call is answered with the same line, which its client shows.
        logger.error("{}", exc.message)
        return
    count = len(identity.store_ids)
    stores = "1 store" if count == 1 else f"{count} stores"
    logger.info("serving {} ({})", identity.display_name, stores)
