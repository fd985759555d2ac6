"""Completion: what somebody may want to write into an argument of a prompt or a URI."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial

from mcp_types import (
    Completion,
    CompletionArgument,
    PromptReference,
    ResourceTemplateReference,
)

from zava.errors import ValidationError
from zava.protocol.prompts import find_prompt
from zava.protocol.resources import FAMILIES
from zava.protocol.tools.declaration import Services

MOST = 100
"""What the protocol admits in one answer."""

_LONGEST = 200
_NEAR = 5
# Of more names than these, to compare the spelling of each takes a second.
_COMPARED = 10_000
_VARIABLE = "name"

Reference = PromptReference | ResourceTemplateReference


async def complete(
    services: Services, reference: Reference, argument: CompletionArgument
) -> Completion:
    """Return the values of an argument that what was typed may be meant for.

    Raises:
        ValidationError: There is no such prompt, template or argument.
        MCPError: As for `PostgreSQLProvider.fetch_all`.
    """
    offered = _offered(services, reference, argument.name)
    fitting = await services.workers.run(lambda: matching(offered(), argument.value))
    return Completion(
        values=fitting[:MOST], total=len(fitting), has_more=len(fitting) > MOST
    )


def _offered(
    services: Services, reference: Reference, argument: str
) -> Callable[[], Sequence[str]]:
    """Return what lists the values that an argument can have."""
    if isinstance(reference, PromptReference):
        offered = find_prompt(reference.name).argument(argument).offered
        return partial(offered, services.choices, services.user_id)
    for family in FAMILIES:
        if family.template is None or family.names is None:
            continue
        if family.template.uri_template == reference.uri:
            if argument != _VARIABLE:
                raise ValidationError("argument", argument, f"must be {_VARIABLE}")
            return partial(family.names, services)
    known = ", ".join(each.template.uri_template for each in FAMILIES if each.template)
    raise ValidationError("uri", reference.uri, f"must be one of {known}")


def matching(names: Sequence[str], typed: str) -> list[str]:
    """Return the names that what was typed may be meant for, the likeliest first.

    Those that begin with it come first, then those of which a word begins with it,
    then those that hold it. If there are none, those that are spelt like it.
    """
    wanted = " ".join(typed.casefold().split())
    folded = {" ".join(name.casefold().split()): name for name in names}
    if len(wanted) > _LONGEST:
        return []
    word = re.compile(rf"(?<![^\W_]){re.escape(wanted)}")
    begin = [name for fold, name in folded.items() if fold.startswith(wanted)]
    within = [name for fold, name in folded.items() if word.search(fold)]
    hold = [name for fold, name in folded.items() if wanted in fold]
    found = list(dict.fromkeys([*begin, *within, *hold]))
    if found or len(folded) > _COMPARED:
        return found
    return [folded[fold] for fold in difflib.get_close_matches(wanted, folded, _NEAR)]
