"""In which order the services of a process start: whoever is needed comes first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class StartOrderError(ValueError):
    """The services cannot be put in order; the text names the one that is missing, or the circle."""


def start_order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Names so that each comes after all it needs; otherwise in the order given. `needs`: service → services of this process.

    Raises StartOrderError for a need that nobody here serves and for a circle.
    """
    for name, needed in needs.items():
        for each in needed:
            if each not in needs:
                raise StartOrderError(f"{name} depends on {each}, which this process does not serve")
    order: list[str] = []
    on_the_way: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in on_the_way:
            circle = [*on_the_way[on_the_way.index(name) :], name]
            raise StartOrderError(f"the services depend on each other in a circle: {' → '.join(circle)}")
        on_the_way.append(name)
        for each in needs[name]:
            visit(each)
        on_the_way.pop()
        order.append(name)

    for name in needs:
        visit(name)
    return order
