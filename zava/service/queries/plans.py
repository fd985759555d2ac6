"""A plan as a model reads it: the steps, and which indexes serve the conditions.

PostgreSQL makes the plan without looking at what the tables hold (see
`zava.data.transaction`), so it names no index. Which index can serve a condition
follows from the catalogue: zava finds it as PostgreSQL does, by the first columns.

One choice PostgreSQL makes by the size of a table all the same: whether a subquery in
an expression, such as `a OR EXISTS (…)`, is asked for each row or made a hash table of.
Its plan then has other conditions, and even other tables. So nothing is told of such a
subquery, and zava numbers the others itself, in the order of the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MOST_STEPS = 150
_MOST_TABLES = 40
_LONGEST_CONDITION = 300

# What PostgreSQL chooses by estimates, or puts in between for another step's sake.
_UNTOLD = frozenset({"Hash", "Materialize", "Memoize"})
_SORTED_FOR = frozenset({"Aggregate", "Group", "Unique", "SetOp", "Merge Join"})
_JOIN_CONDITIONS = ("Merge Cond", "Hash Cond", "Join Filter")
_OF_POLICIES = re.compile(
    r"\b(?:get_current_user_store|get_user_store_list|may_read_personal_data)\(\)"
)
_RANGES = frozenset({"<", "<=", ">", ">="})
_OF_ARRAYS = frozenset({"@>", "<@", "&&", "@@", "?", "?|", "?&"})
_COMPARISON = re.compile(
    r"^(?P<left>.+?) (?P<operator><=|>=|@>|<@|&&|@@|\?\||\?&|=|<|>|\?)"
    r" (?P<any>ANY )?(?P<right>.+)$",
    re.DOTALL,
)
_NULL = re.compile(r"^(?P<left>.+) IS NULL$", re.DOTALL)
_CAST = re.compile(r"::(?:text|bpchar|character varying)(?:\(\d+\))?(?:\[\])?")
_VALUE = re.compile(r"\(InitPlan \d+\)|\$\d+\b")
_SUBQUERY = re.compile(r"\bSubPlan \d")
_OF_SUBQUERY = "an expression with a subquery"


@dataclass
class _Read:
    """A table that a query reads, under the name that the query gives it.

    Attributes:
        has_policy: Whether only rows of the person's stores are read.
        has_stores_first: Whether the policy is a comparison of `store_id` alone, so
            that an index which begins with it serves.
    """

    schema: str
    table: str
    alias: str
    conditions: list[str]
    has_policy: bool
    has_stores_first: bool
    joins: list[str] = field(default_factory=list)


def tables_of(plan: Mapping[str, Any]) -> list[str]:
    """Return the names of the retail tables that a plan reads, each once."""
    names = [
        node["Relation Name"]
        for node, _, _ in _nodes(plan)
        if node.get("Schema") == "retail"
        and "Relation Name" in node
        and not _is_beside(node)
    ]
    return list(dict.fromkeys(names))


def explained(
    plan: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the steps of a plan, and for each table read its conditions and indexes.

    Args:
        plan: The root of a plan of `PostgreSQLProvider.explain`.
        indexes: Rows of the statement `list_indexes` for `tables_of` the plan.

    Returns:
        `steps`, a step below what uses it; `tables`; and `notes`.
    """
    values = _Values(plan)
    steps: list[str] = []
    reads: list[_Read] = []
    joins: list[str] = []
    has_subquery = False
    for node, parent, depth in _nodes(plan):
        if _is_beside(node):
            has_subquery = True
            steps.append(f"{'  ' * depth}a subquery")
            continue
        for key in _JOIN_CONDITIONS:
            joins += _told(node.get(key), values)
        if "Relation Name" in node:
            reads.append(_read(node, values))
        step = _step(node, parent, values)
        if step:
            steps.append(f"{'  ' * depth}{step}")
    for read in reads:
        own = re.compile(rf"(?<![\w.\"]){re.escape(read.alias)}\.")
        read.joins = [join for join in joins if own.search(join)]
    by_table: dict[str, list[Mapping[str, Any]]] = {}
    for row in indexes:
        by_table.setdefault(row["table_name"], []).append(row)
    tables = [_table(read, by_table.get(read.table, ())) for read in reads]
    answer: dict[str, Any] = {
        "steps": steps[:_MOST_STEPS],
        "tables": tables[:_MOST_TABLES],
        "notes": [],
    }
    if has_subquery:
        answer["notes"].append(
            "a subquery in an expression is not shown: explain it by itself"
        )
    if len(steps) > _MOST_STEPS or len(tables) > _MOST_TABLES:
        answer["notes"].append(
            f"of {len(steps)} steps and {len(tables)} tables the first are shown"
        )
    return answer


def _nodes(
    plan: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], int]]:
    """Walk a plan in its order: each node, its parent, and how deep it is told.

    What is below a subquery in an expression is left out.
    """
    waiting: list[tuple[Mapping[str, Any], Mapping[str, Any], int]] = [(plan, {}, 0)]
    while waiting:
        node, parent, depth = waiting.pop()
        yield node, parent, depth
        if _is_beside(node):
            continue
        below = depth + (not _is_untold(node, parent))
        # What is not told is no parent either.
        told = parent if node["Node Type"] in _UNTOLD else node
        waiting += [(child, told, below) for child in reversed(node.get("Plans", ()))]


def _is_beside(node: Mapping[str, Any]) -> bool:
    """Whether a node is the root of a subquery in an expression."""
    return bool(node.get("Parent Relationship") == "SubPlan")


def _is_untold(node: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    kind = node["Node Type"]
    if kind == "Sort":
        return parent.get("Node Type") in _SORTED_FOR
    if kind == "Result":
        return bool(parent) and node.get("One-Time Filter") != "false"
    return kind in _UNTOLD


class _Values:
    """What the conditions of a plan call the values of its subqueries.

    Those that policies compare with are told apart, and the others are numbered.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        policies: list[str] = []
        self._numbers: dict[str, int] = {}
        for node, _, _ in _nodes(plan):
            name = node.get("Subplan Name", "")
            if not name.startswith("InitPlan"):
                continue
            # "(InitPlan 1).col1"; before PostgreSQL 17 "$0", which the name tells.
            called = [f"(InitPlan {name.split()[1]})", *re.findall(r"\$\d+", name)]
            if _OF_POLICIES.search(" ".join(node.get("Output", ()))):
                policies += called
            else:
                number = len(set(self._numbers.values())) + 1
                self._numbers.update(dict.fromkeys(called, number))
        self._policies = frozenset(policies)

    def is_of_policy(self, condition: str) -> bool:
        """Whether a policy made a condition."""
        return any(name in self._policies for name in _VALUE.findall(condition))

    def told(self, condition: str) -> str:
        """Return a condition as the model reads it."""
        if _SUBQUERY.search(condition):
            return _OF_SUBQUERY
        return _VALUE.sub(self._numbered, condition)

    def label(self, name: str) -> str:
        """Return what stands before the step that a subquery begins with."""
        if not name.startswith("InitPlan"):
            return name
        return f"subquery {self._numbers.get(f'(InitPlan {name.split()[1]})', '')}"

    def _numbered(self, found: re.Match[str]) -> str:
        number = self._numbers.get(found[0])
        return found[0] if number is None else f"subquery {number}"


def _told(condition: str | None, values: _Values) -> list[str]:
    """Return the parts of a condition without those of the policies."""
    parts = [_bare(part) for part in _conjuncts(condition or "")]
    return [values.told(part) for part in parts if not values.is_of_policy(part)]


def _read(node: Mapping[str, Any], values: _Values) -> _Read:
    alias = node["Alias"]
    parts = [_bare(part) for part in _conjuncts(node.get("Filter", ""))]
    of_policies = [part for part in parts if values.is_of_policy(part)]
    return _Read(
        schema=node.get("Schema", ""),
        table=node["Relation Name"],
        alias=alias,
        conditions=_told(node.get("Filter"), values),
        has_policy=bool(of_policies),
        has_stores_first=any(
            part.startswith(f"{alias}.store_id = ") for part in of_policies
        ),
    )


def _step(
    node: Mapping[str, Any],
    parent: Mapping[str, Any],
    values: _Values,
) -> str:
    """Return a step in words, or nothing for what is no step of the query's own."""
    if _is_untold(node, parent):
        return ""
    told = _TOLD.get(node["Node Type"], _other)(node, values)
    if "Relation Name" not in node:
        kept = _told(node.get("Filter"), values)
        told += f" where {' AND '.join(kept)}" if kept else ""
    name = node.get("Subplan Name", "")
    if name:
        told = f"{values.label(name)}: {told}"
    return _cut(told)


def _join(node: Mapping[str, Any], values: _Values) -> str:
    on = [part for key in _JOIN_CONDITIONS for part in _told(node.get(key), values)]
    told = f"{node.get('Join Type', 'Inner').lower()} join"
    return (
        f"{told} on {' AND '.join(on)}" if on else f"{told}: every row with every row"
    )


def _aggregate(node: Mapping[str, Any], values: _Values) -> str:
    if "Grouping Sets" in node:
        return "aggregate by grouping sets"
    keys = node.get("Group Key")
    return f"aggregate by {_keys(keys, values)}" if keys else "aggregate"


def _sort(node: Mapping[str, Any], values: _Values) -> str:
    return f"sort by {_keys(node.get('Sort Key', ()), values)}"


def _result(node: Mapping[str, Any], values: _Values) -> str:
    return "no row can match" if "One-Time Filter" in node else "one row of values"


def _other(node: Mapping[str, Any], values: _Values) -> str:
    if "Relation Name" in node:
        return f"read {_named(node)}"
    kind = str(node["Node Type"])
    if not kind.endswith(" Scan"):
        return kind.lower()
    told = f"read {kind.removesuffix(' Scan').lower()}"
    named = (node[key] for key in ("CTE Name", "Function Name", "Alias") if key in node)
    return f"{told} {next(named, '')}".rstrip()


_TOLD: Mapping[str, Callable[[Mapping[str, Any], _Values], str]] = {
    "Nested Loop": _join,
    "Merge Join": _join,
    "Hash Join": _join,
    "Aggregate": _aggregate,
    "Group": _aggregate,
    "Sort": _sort,
    "Result": _result,
    "Unique": lambda _node, _values: "remove duplicates",
    "SetOp": lambda node, _values: str(node.get("Command", "SetOp")).lower(),
}


def _keys(keys: Sequence[str], values: _Values) -> str:
    return ", ".join(map(values.told, keys))


def _named(node: Mapping[str, Any]) -> str:
    name = f"{node.get('Schema', '')}.{node['Relation Name']}"
    alias = node["Alias"]
    return name if alias == node["Relation Name"] else f"{name} {alias}"


def _table(read: _Read, indexes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of one table that is read."""
    name = f"{read.schema}.{read.table}"
    table: dict[str, Any] = {"table": name}
    if read.alias != read.table:
        table["as"] = read.alias
    usable: dict[str, str] = {}
    served: set[str] = set()
    for index in indexes:
        parts = _served(read, index)
        if parts:
            served |= parts
            keys = ", ".join(index["keys"])
            usable[index["index"]] = keys + (
                f" where {index['condition']}" if index["condition"] else ""
            )
    if read.conditions:
        table["conditions"] = [_cut(part) for part in read.conditions]
    if usable:
        table["indexes"] = usable
    if read.has_stores_first:
        served |= _on_stores(read)
    unserved = [part for part in read.conditions if part not in served]
    if unserved:
        table["no_index_for"] = [_cut(part) for part in unserved]
    if not usable and not served:
        table["reads"] = (
            "every row of the person's stores" if read.has_policy else "the whole table"
        )
    return table


def _served(read: _Read, index: Mapping[str, Any]) -> set[str]:
    """Return the conditions of a query for which an index can be used.

    Columns in front need an equality; the policy gives one for `store_id`.
    """
    served: set[str] = set()
    compared = [
        (part, *one)
        for part in (*read.conditions, *read.joins)
        for one in _compared(part, read.alias)
    ]
    for key in index["keys"]:
        column = _plain(key)
        own = [(part, op) for part, name, op in compared if name == column]
        if index["method"] == "gin":
            return {part for part, op in own if op in _OF_ARRAYS}
        if column == "store_id" and read.has_stores_first:
            continue
        equal = {part for part, op in own if op == "="}
        served |= equal
        if index["method"] == "hash":
            return served
        if equal:
            continue
        if index["method"] == "btree":
            served |= {part for part, op in own if op in _RANGES or op == "null"}
        break
    return served if index["method"] == "btree" else set()


def _on_stores(read: _Read) -> set[str]:
    """Return the conditions on the store; every index that the policy uses serves."""
    return {
        part
        for part in read.conditions
        for name, _ in _compared(part, read.alias)
        if name == "store_id"
    }


def _compared(part: str, alias: str) -> Iterator[tuple[str, str]]:
    """Return what of a table a condition compares, and how."""
    own = f"{alias}."
    if null := _NULL.match(part):
        yield _plain(null["left"].replace(own, "")), "null"
        return
    found = _COMPARISON.match(part)
    if found is None:
        return
    left, right = found["left"], found["right"]
    if own in left and own not in right:
        yield _plain(left.replace(own, "")), found["operator"]
    elif own in right and own not in left and not found["any"]:
        yield _plain(right.replace(own, "")), found["operator"]


def _plain(expression: str) -> str:
    """Return an expression without casts between kinds of text and without brackets."""
    return re.sub(r"[()\s]", "", _CAST.sub("", expression))


def _conjuncts(condition: str) -> list[str]:
    """Return the conditions that AND joins, as PostgreSQL writes them."""
    inner = _bare(condition)
    if not inner:
        return []
    parts, start, depth, quote = [], 0, 0, ""
    for at, character in enumerate(inner):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth == 0 and inner.startswith(" AND ", at):
            parts.append(inner[start:at])
            start = at + len(" AND ")
    parts.append(inner[start:])
    return parts


def _bare(text: str) -> str:
    """Return a text without the brackets around the whole of it."""
    while text.startswith("(") and text.endswith(")"):
        depth, quote = 0, ""
        for at, character in enumerate(text):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character in "()":
                depth += 1 if character == "(" else -1
                if depth == 0 and at < len(text) - 1:
                    return text
        text = text[1:-1]
    return text


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_CONDITION:
        return text
    return f"{text[:_LONGEST_CONDITION]}…"
