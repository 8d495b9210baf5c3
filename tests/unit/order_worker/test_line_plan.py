"""Which lines a worker opens, under which identity and to which hosts."""

from __future__ import annotations

import pytest

from trading_workers.order_worker.line_plan import LinePlan, exchange_of, planned_lines
from tradsys.configuration import Address, Configuration, ConfigurationError

EGX, ADX, STANDBY = Address("egx", 1), Address("adx", 2), Address("standby", 3)


def test_every_exchange_has_its_pool_and_the_first_line_keeps_the_identity_of_a_single_one() -> None:
    assert planned_lines("TRADSYS-W3", {"EGX": EGX, "ADX": ADX}, 2, {"EGX-2": (STANDBY, EGX)}) == [
        LinePlan("EGX-1", "EGX", "TRADSYS-W3", (EGX,)),
        LinePlan("EGX-2", "EGX", "TRADSYS-W3-2", (STANDBY, EGX)),
        LinePlan("ADX-1", "ADX", "TRADSYS-W3", (ADX,)),
        LinePlan("ADX-2", "ADX", "TRADSYS-W3-2", (ADX,)),
    ]
    assert exchange_of("EGX-2") == "EGX"


def test_hosts_of_a_line_that_is_not_opened_are_an_error_that_says_which_are() -> None:
    with pytest.raises(ConfigurationError, match=r"TRADSYS_LINES names EGX-2, which no worker opens; .* make: EGX-1$"):
        planned_lines("TRADSYS-W1", {"EGX": EGX}, 1, {"EGX-2": (STANDBY,)})


def test_hosts_of_lines_are_read_from_the_environment() -> None:
    found = Configuration.from_environment({"TRADSYS_VAR": "/nowhere", "TRADSYS_LINES": "EGX-1=a:1|b:2, ADX-2=c:3"})
    assert found.lines == {"EGX-1": (Address("a", 1), Address("b", 2)), "ADX-2": (Address("c", 3),)}
    assert Configuration.from_environment({"TRADSYS_VAR": "/nowhere"}).lines == {}


@pytest.mark.parametrize("text", ["EGX-1", "EGX-1=", "EGX-1=a:1|", "EGX-1=a:1|b", "=a:1", "EGX-1=a:1,EGX-1=b:2", "EGX-1=a:99999"])
def test_hosts_that_cannot_be_read_name_the_variable(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TRADSYS_LINES"):
        Configuration.from_environment({"TRADSYS_VAR": "/nowhere", "TRADSYS_LINES": text})
