"""What every answer carries, and what every refusal looks like."""

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def test_answers_carry_a_request_id_and_security_headers(client: httpx2.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"x-request-id": "abc-123"})

    assert response.json() == {"status": "ok"}
    assert response.headers["x-request-id"] == "abc-123"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<script>"])
async def test_an_odd_request_id_is_replaced(client: httpx2.AsyncClient, given: str) -> None:
    response = await client.get("/healthz", headers={"x-request-id": given})

    assert response.headers["x-request-id"] not in {"", given}


async def test_an_unknown_address_is_a_problem_document(client: httpx2.AsyncClient) -> None:
    response = await client.get("/nowhere")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["reason"] == "not_found"
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_a_wrong_method_says_which_is_right(client: httpx2.AsyncClient) -> None:
    response = await client.post("/healthz")

    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    assert response.json()["reason"] == "method_not_allowed"


async def test_readiness_is_of_both_stores(client: httpx2.AsyncClient) -> None:
    response = await client.get("/readyz")

    assert response.json() == {"status": "ok"}


@pytest.mark.row("T-28")
async def test_metrics_have_the_names_that_dashboards_know(client: httpx2.AsyncClient) -> None:
    await client.get("/healthz")

    text = (await client.get("/metrics")).text

    assert 'http_requests_total{endpoint="/healthz",method="GET",status="200"}' in text
    for name in (
        "db_query_duration_seconds",
        "realtime_sockets_open",
        "realtime_joins_total",
        "realtime_broadcasts_total",
        "realtime_delivery_latency_seconds",
        "outbox_lag_seconds",
        "queue_depth",
    ):
        assert f"# TYPE {name}" in text


async def test_the_page_and_its_client_are_served(client: httpx2.AsyncClient) -> None:
    page = await client.get("/")
    phoenix = await client.get("/static/vendor/phoenix.mjs")

    assert "<title>" in page.text
    assert phoenix.headers["content-type"].startswith("text/javascript")
    assert "Socket" in phoenix.text
