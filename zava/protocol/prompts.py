"""The prompts: what a manager asks every week, with the calls that answer it.

A prompt is text for the model. It names tools, so that whoever has no prompts asks
the same in their own words. To add one, write its text like those below and put it
into `PROMPTS`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_types import GetPromptResult, PromptArgument, PromptMessage, TextContent
from mcp_types import Prompt as PromptDeclaration

from zava.errors import ValidationError
from zava.service.choices import ALL, Choices

_NEAR = 3

Given = Mapping[str, str]
"""Argument -> its value, as zava writes it; without those that were not given."""


@dataclass(frozen=True)
class Argument:
    """An argument of prompts; none has to be given.

    Attributes:
        offered: Returns the values that a person can choose from; may block.
        meant: Returns how zava writes a value, or raises a ValidationError or an
            AuthorizationError; may block.
    """

    name: str
    description: str
    offered: Callable[[Choices, str], Sequence[str]]
    meant: Callable[[Choices, str, str], str]


STORE = Argument(
    "store",
    "A store's name or a part of it, or a region; all stores by default",
    Choices.places,
    Choices.place,
)
REGION = Argument(
    "region", "Stores of this region only", Choices.regions, Choices.region
)
CATEGORY = Argument(
    "category", "Products of this category only", Choices.categories, Choices.category
)
PERIOD = Argument(
    "period",
    "Days, such as last_week, last_month, 2026-07 or 2026-W27",
    Choices.periods,
    Choices.period,
)


@dataclass(frozen=True)
class Prompt:
    """A question with its arguments.

    Attributes:
        text: What the model is told.
    """

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    text: Callable[[Given], str]

    def declared(self) -> PromptDeclaration:
        """Return what a list of prompts says of it."""
        return PromptDeclaration(
            name=self.name,
            title=self.title,
            description=self.description,
            arguments=[
                PromptArgument(
                    name=each.name, description=each.description, required=False
                )
                for each in self.arguments
            ],
        )

    def argument(self, name: str) -> Argument:
        """Return an argument by its name.

        Raises:
            ValidationError: The prompt has no such argument; names those it has.
        """
        for each in self.arguments:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in self.arguments)
        raise ValidationError("argument", name, f"{self.name} takes {names}")

    def result(
        self, arguments: Mapping[str, str] | None, choices: Choices, user_id: str
    ) -> GetPromptResult:
        """Return the prompt for some arguments; an empty one counts as not given.

        Raises:
            ValidationError: There is no such argument, or no such value.
            AuthorizationError: There is no such store, or not for this person.
            MCPError: As for `PostgreSQLProvider.fetch_all`.
        """
        given = {}
        for name, value in (arguments or {}).items():
            argument = self.argument(name)
            if value.strip():
                given[name] = argument.meant(choices, value, user_id)
        told = TextContent(type="text", text=self.text(given))
        return GetPromptResult(
            description=self.description,
            messages=[PromptMessage(role="user", content=told)],
        )


def find_prompt(name: str) -> Prompt:
    """Return a prompt by its name.

    Raises:
        ValidationError: There is none of that name; names near ones.
    """
    if name in PROMPTS:
        return PROMPTS[name]
    near = difflib.get_close_matches(name[:80], PROMPTS, _NEAR, 0)
    raise ValidationError(
        "name", name, f"there is no such prompt; near: {', '.join(near)}"
    )


def _call(tool: str, **arguments: Any) -> str:
    given = {name: value for name, value in arguments.items() if value}
    return f"- {tool} {json.dumps(given, ensure_ascii=False)}"


def _performance(given: Given, period: str) -> str:
    place = given.get("store", ALL)
    return _call("get_store_performance", store_id=place, time_period=period)


def _running_short(
    given: Given, period: str, max_rows: int, only: Mapping[str, str]
) -> str:
    return _call(
        "query_metrics",
        metrics=["days_of_cover"],
        by=["product"],
        time_period=period,
        stores=_stores(given),
        filters={"stock_status": "selling", **only},
        order_by=["days_of_cover"],
        max_rows=max_rows,
    )


def _stores(given: Given) -> list[str]:
    place = given.get("store", ALL)
    return [] if place == ALL else [place]


def _whose(given: Given) -> str:
    return ", ".join(_stores(given)) or "my stores"


def _of_category(given: Given) -> str:
    return f" in the category {given['category']}" if "category" in given else ""


_HONEST = (
    "Take every number from these answers, and say until which day the data reach. If"
    " they end before the days asked about, ask again for the last such days that have"
    " data, and say so. Give no cause that the numbers do not show."
)


def _last_week(given: Given) -> str:
    period = given.get("period", "last_week")
    stores = _stores(given)
    return _lines(
        f"How did {_whose(given)} do in {period}? Ask zava:",
        _performance(given, period),
        _call(
            "query_metrics",
            metrics=["revenue", "orders", "average_order_value"],
            by=["category"],
            time_period=period,
            stores=stores,
            compare="both",
            order_by=["-revenue"],
        ),
        "Then look at the numbers behind the insights that I can act on, with the"
        " arguments that they come with.",
        "Begin with one sentence: revenue, and how it compares with the period before"
        " and with a year before. Then three things that stand out, each with its"
        " number, and what I should look at first.",
        _HONEST,
    )


def _running_out(given: Given) -> str:
    period = given.get("period", "last_30_days")
    stores, category = _stores(given), given.get("category")
    only = {"category": category} if category else {}
    return _lines(
        f"What runs out in {_whose(given)}{_of_category(given)}, at the sales of"
        f" {period}? Ask zava:",
        _running_short(given, period, 20, only),
        _call(
            "query_metrics",
            metrics=["revenue_a_day", "days_since_last_sale"],
            by=["product", "store"],
            time_period=period,
            stores=stores,
            filters={"stock_status": "sold_out", **only},
            order_by=["-revenue_a_day"],
            max_rows=20,
        ),
        _call(
            "query_metrics",
            metrics=["units_to_reorder", "reorder_cost"],
            by=["product"],
            time_period=period,
            stores=stores,
            filters=only,
            order_by=["-reorder_cost"],
            max_rows=20,
        ),
        "Make one list of what to order, the most urgent first: product, days that the"
        " stock lasts, units to order. Put what is sold out already on top. If the"
        " notes say that stock is not known, say of what.",
        _HONEST,
    )


def _lapsed_customers(given: Given) -> str:
    stores, period = _stores(given), given.get("period", "last_12_months")
    return _lines(
        f"Which customers of {_whose(given)} stopped coming? Ask zava:",
        _call(
            "query_metrics",
            metrics=["customers", "revenue", "orders_per_customer"],
            by=["segment"],
            time_period=period,
            stores=stores,
        ),
        _call(
            "query_metrics",
            metrics=["customers", "revenue"],
            by=["month"],
            time_period=period,
            stores=stores,
            filters={"segment": "lapsed"},
        ),
        _call("get_product_recommendations", customer_segment="lapsed"),
        "Then find the tables with search_tables, and list with execute_sales_query"
        " the customers who spent most and have not come for the time that the segment"
        " says. Show names only if I may read them, else customer_id.",
        "Say how many stopped coming and by which rule, what they spent, what they"
        " bought most, and whom to write to first. A chain without customer data has"
        " no such customers: then say that.",
        _HONEST,
    )


def _monday_meeting(given: Given) -> str:
    period = given.get("period", "last_week")
    stores, is_now = _stores(given), "period" not in given
    return _lines(
        f"Prepare my Monday meeting about {_whose(given)}: {period}. Ask zava:",
        _performance(given, period),
        *([_performance(given, "this_month")] if is_now else []),
        _call(
            "query_metrics",
            metrics=["revenue", "orders", "gross_margin"],
            by=["store"],
            time_period=period,
            stores=stores,
            compare="both",
            order_by=["-revenue"],
        ),
        _running_short(given, "last_30_days", 10, {}),
        f"Write one page: {period} in three numbers with their changes;"
        f"{' the month so far;' if is_now else ''} what went well; what went badly;"
        " what runs out; and three points to decide, each as a question with its"
        " number. No more than 250 words.",
        _HONEST,
    )


def _compare_stores(given: Given) -> str:
    period = given.get("period", "last_30_days")
    region, category = given.get("region"), given.get("category")
    stores = [region] if region else []
    only = {"category": category} if category else {}
    return _lines(
        f"Compare my stores{f' in {region}' if region else ''}{_of_category(given)}"
        f" in {period}. Ask zava:",
        _call(
            "query_metrics",
            metrics=["revenue", "orders", "average_order_value", "gross_margin"],
            by=["store"],
            time_period=period,
            stores=stores,
            filters=only,
            compare="both",
            order_by=["-revenue"],
        ),
        _call(
            "query_metrics",
            metrics=["revenue"],
            by=["store", "category"],
            time_period=period,
            stores=stores,
            filters=only,
            shares=True,
            top=3,
        ),
        "Show the stores in one table: revenue, change against a year before, orders,"
        " average order, margin. Then say which store stands out, in which category,"
        " and by how much. Compare an online shop and a new store with care. If I see"
        " one store only, compare it with its own past.",
        _HONEST,
    )


def _lines(*parts: str) -> str:
    return "\n".join(parts)


PROMPTS: Mapping[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            "last_week",
            "How did last week go?",
            "Sales of a store, a region or all stores, what stands out, and why",
            (STORE, PERIOD),
            _last_week,
        ),
        Prompt(
            "running_out",
            "What runs out?",
            "What is sold out, what will be soon, and what to order",
            (STORE, CATEGORY, PERIOD),
            _running_out,
        ),
        Prompt(
            "lapsed_customers",
            "Who stopped coming?",
            "Customers who have not come for longer than usual, and what they bought",
            (STORE, PERIOD),
            _lapsed_customers,
        ),
        Prompt(
            "monday_meeting",
            "Prepare my Monday meeting",
            "One page: the week, the month so far, stock, and points to decide",
            (STORE, PERIOD),
            _monday_meeting,
        ),
        Prompt(
            "compare_stores",
            "Compare my stores",
            "Stores side by side, and against their own past",
            (REGION, CATEGORY, PERIOD),
            _compare_stores,
        ),
    )
}
"""Every prompt by its name, in the order in which clients are told of them."""
