"""Coroutines of two tenants on shared threads: the context variable decides, not the connection."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from tenants.kernel.context import TenantNotSet
from tenants.kernel.entry_points import enter_for_command
from tests.integration.tenancy.support import SLUGS, codes, mark_both_tenants
from trading_workers.blotter.models import TradingAccount

pytestmark = pytest.mark.django_db(transaction=True)


async def read_in_turns(slug: str, *, thread_sensitive: bool, rounds: int = 15) -> list[list[str]]:
    def read() -> list[str]:
        try:
            return codes()
        finally:
            if not thread_sensitive:
                connections.close_all()

    seen = []
    # The slug was looked up before: this must not block the loop.
    with enter_for_command(slug):
        for _round in range(rounds):
            seen.append(await sync_to_async(read, thread_sensitive=thread_sensitive)())
            await asyncio.sleep(0)
    return seen


@pytest.mark.parametrize("thread_sensitive", [True, False])
async def test_coroutines_of_two_tenants_never_meet(thread_sensitive: bool) -> None:
    await sync_to_async(mark_both_tenants)()
    runs = [(slug, read_in_turns(slug, thread_sensitive=thread_sensitive)) for slug in SLUGS * 3]
    answers = await asyncio.gather(*(run for _, run in runs))
    for (slug, _), seen in zip(runs, answers, strict=True):
        assert seen == [[slug.upper()]] * 15


@pytest.mark.parametrize("thread_sensitive", [True, False])
async def test_a_coroutine_without_a_tenant_reads_nothing(thread_sensitive: bool) -> None:
    await sync_to_async(mark_both_tenants)()
    with pytest.raises(TenantNotSet):
        await sync_to_async(codes, thread_sensitive=thread_sensitive)()


async def test_djangos_own_asynchronous_queries_follow_the_tenant() -> None:
    await sync_to_async(mark_both_tenants)()

    async def read(slug: str) -> list[str]:
        with enter_for_command(slug):
            return [account.code async for account in TradingAccount.objects.all()]

    assert await asyncio.gather(*(read(slug) for slug in SLUGS * 5)) == [["ALPHA"], ["BETA"]] * 5


async def test_asynchronous_requests_of_two_hosts_are_answered_by_their_own_tenant() -> None:
    from tradsys.asgi import application

    transport = httpx.ASGITransport(application)

    async def sign_in(slug: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{slug}.localhost") as browser:
            page = await browser.get("/sign-in/")
            token = browser.cookies["tradsys_csrf"]
            person = {"username": "alpha-viewer", "password": "alpha-viewer-secret", "csrfmiddlewaretoken": token}
            answer = await browser.post("/sign-in/", data=person)
            assert page.status_code == 200
            return answer

    answers = await asyncio.gather(*(sign_in(slug) for slug in SLUGS * 4))
    assert [answer.status_code for answer in answers] == [302, 200] * 4
