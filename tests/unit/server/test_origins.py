from realtime.handshake import origin_allowed
from server.app import origins_of
from server.settings import load


def allowed(origin: str, **environ: str) -> bool:
    policy = origins_of(load(environ))
    return origin_allowed(origin, policy, scheme="http", host="lumen.example:8080")


def test_the_page_of_the_server_itself_may_always_open_sockets() -> None:
    assert allowed("http://lumen.example:8080")
    assert allowed("http://lumen.example:8080", CORS_ORIGINS="https://app.example")


def test_other_pages_may_when_they_are_listed() -> None:
    assert not allowed("https://app.example")
    assert allowed("https://app.example", CORS_ORIGINS="https://app.example")
    assert not allowed("https://evil.example", CORS_ORIGINS="https://app.example")
    assert allowed("https://news.example", PUBLIC_URL="https://news.example")
