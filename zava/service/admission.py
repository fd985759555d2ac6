"""Whether this server may serve: the person, and the state of the database."""

from __future__ import annotations

from collections.abc import Sequence

from loguru import logger

from zava.data.identity import parse_user_id
from zava.data.posture.checks import CHECKS
from zava.data.posture.findings import LOAD_AGAIN
from zava.data.provider import PostgreSQLProvider
from zava.errors import (
    AuthorizationError,
    BusyError,
    ConfigurationError,
    ConnectionSettingsError,
    MCPError,
    UnavailableError,
    ValidationError,
)
from zava.models import PostureCheck


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


def allowed_checks(text: str) -> frozenset[str]:
    """Return the checks that the operator accepts though they fail.

    Args:
        text: Their names, separated by commas.

    Raises:
        ConfigurationError: There is no check of a name; there is none for all.
    """
    names = frozenset(part.strip() for part in text.split(",") if part.strip())
    for name in sorted(names - set(CHECKS)):
        raise ConfigurationError(
            f"there is no check {name!r} to allow: give one of {', '.join(CHECKS)}"
        )
    return names


class PostureJudge:
    """Refuses a database that does not keep stores apart, and says why in the log.

    Args:
        allowed: Checks that may fail.
    """

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._logged: Sequence[PostureCheck] = ()

    def __call__(self, checks: Sequence[PostureCheck]) -> None:
        """Judge all checks of one database.

        Raises:
            ConfigurationError: A check fails that is not allowed to.
        """
        checks = accept(checks, self._allowed)
        if checks != self._logged:
            self._log(checks)
            self._logged = checks
        failed = [check.name for check in checks if check.status == "fail"]
        if failed:
            raise ConfigurationError(
                f"the database does not pass the check {', '.join(failed)}, so nothing"
                " is read from it: `zava doctor` shows how to mend it"
            )

    def _log(self, checks: Sequence[PostureCheck]) -> None:
        for check in checks:
            if check.status == "fail":
                logger.error(
                    "check {} fails: {}; to mend it: {}",
                    check.name,
                    check.detail,
                    check.remedy,
                )
        passed = sum(check.status == "pass" for check in checks)
        others = [check.name for check in checks if check.status == "warn"]
        warned = f"; warnings: {', '.join(others)}" if others else ""
        logger.info("posture: {} of {} checks pass{}", passed, len(checks), warned)


# Where one of these fails, a query can become its login again. That login may then
# be nobody but the person served.
_BOUND_LOGINS_ONLY = frozenset({"set_config", "server_functions"})
# What has to hold for the login to be nobody else.
_BINDING = frozenset({
    "login", "superuser", "bypassrls", "role_attributes", "owner", "memberships",
    "functions", "definitions",
})  # fmt: skip


def accept(
    checks: Sequence[PostureCheck], allowed: frozenset[str]
) -> tuple[PostureCheck, ...]:
    """Return the checks, with a warning for each failure that is allowed.

    What lets a query become its login again is allowed to a login only that may act
    as one person.
    """
    holding = {check.name for check in checks if check.status == "pass"}
    is_bound = holding >= _BINDING
    if not is_bound:
        refused = allowed & _BOUND_LOGINS_ONLY
        allowed -= _BOUND_LOGINS_ONLY
        checks = tuple(
            check.model_copy(
                update={
                    "detail": f"{check.detail}; not to be allowed to a login that may"
                    " act as several people or become another",
                    "remedy": f"{check.remedy} Or `zava login add NAME --user ID`"
                    " gives each person a login of their own.",
                }
            )
            if check.status == "fail" and check.name in refused
            else check
            for check in checks
        )
    return tuple(
        check.model_copy(
            update={"status": "warn", "detail": f"allowed: {check.detail}"}
        )
        if check.status == "fail" and check.name in allowed
        else check
        for check in checks
    )


def examine(
    provider: PostgreSQLProvider, user_id: str, allowed: frozenset[str]
) -> tuple[PostureCheck, ...]:
    """Return every check, with the canary looking as `user_id` if there is one.

    Args:
        provider: Without a judge: this is where one sees what it would say.
        user_id: "" for nobody, which is a warning.
        allowed: Checks that may fail.

    Raises:
        UnavailableError: The database cannot be reached.
        ConfigurationError: schema.sql has not been loaded.
    """
    identity, fault, remedy = None, "", ""
    if user_id:
        try:
            identity = provider.resolve_identity(user_id, max_retries=1)
        except (AuthorizationError, ValidationError) as exc:
            fault = exc.message
            remedy = "zava login add NAME --user ID lets a login act as somebody"
        except (ConnectionSettingsError, UnavailableError, BusyError):
            raise
        except MCPError as exc:
            # A function of zava's was changed; another check says which.
            fault, remedy = exc.message, LOAD_AGAIN
    checks = provider.check_posture(identity)
    if fault:
        failed = PostureCheck(
            name="identity", status="fail", detail=fault, remedy=remedy
        )
        checks = tuple(
            failed if check.name == "identity" else check for check in checks
        )
    return accept(checks, allowed)
