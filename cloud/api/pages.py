"""Lists in pages, latest first: how many on one, and from where on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from cloud.api.cursors import moment, moment_cursor
from cloud.api.given import Count, QueryModel

Item = TypeVar("Item")

PAGE, MOST_ON_PAGE = 100, 1000

Limit = Annotated[Count, Field(description=f"at most so many, and {MOST_ON_PAGE}")]
Cursor = Annotated[str | None, Field(description="go on where a page ended: its `next`")]


class PageQuery(QueryModel):
    """Which page of a list that is in the order of time."""

    limit: Limit = PAGE
    cursor: Cursor = None

    @property
    def most(self) -> int:
        """So many are on it."""
        return min(self.limit, MOST_ON_PAGE)

    @property
    def before(self) -> tuple[float, str] | None:
        """It has what comes before this moment and name. InvalidInput for a cursor that was not given here."""
        return None if self.cursor is None else moment(self.cursor)


def cut(
    found: Sequence[Item], query: PageQuery, place: Callable[[Item], tuple[float, str]]
) -> tuple[Sequence[Item], str | None]:
    """Of one more than a page has: the page, and the cursor of what follows, None at the end."""
    more = len(found) > query.most
    return found[: query.most], moment_cursor(*place(found[query.most - 1])) if more else None
