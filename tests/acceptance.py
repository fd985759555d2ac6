"""What the architecture demands, by id, and which of it no test can prove.

`A…` are its components, names, defaults and SQL objects; `D…` are defects of the
reference text that zava must not have. A test claims the ids that it proves:
`@pytest.mark.acceptance("A48", "D18")`; test_acceptance.py holds both lists
together.
"""

from __future__ import annotations

COMPONENTS = tuple(f"A{number}" for number in range(1, 178))
DEFECTS = tuple(f"D{number}" for number in range(1, 31))
IDS = frozenset((*COMPONENTS, *DEFECTS))

UNPROVEN: dict[str, str] = {}
"""Id -> why no test claims it."""
