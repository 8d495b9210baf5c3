"""The page of an error on our side needs nothing that may be broken."""

from __future__ import annotations

from django.template import loader


def test_the_page_of_a_server_error_needs_no_request_and_no_database() -> None:
    page = loader.get_template("500.html").render()
    assert "Something broke on our side" in page
    assert "حدث خطأ لدينا" in page


def test_the_pages_of_hosts_without_service_are_in_both_languages() -> None:
    unknown = loader.get_template("tenants/unknown_host.html").render({"host": "nobody.localhost"})
    assert "No one answers here" in unknown and "لا أحد على هذا العنوان" in unknown and unknown.count("nobody.localhost") == 2
    suspended = loader.get_template("tenants/suspended.html").render({"host": "nile.localhost"})
    assert "is suspended" in suspended and "موقوفة" in suspended
