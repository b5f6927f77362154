import pytest

from tasks.fetch import FetchPolicy


@pytest.mark.parametrize(
    ("hosts", "host", "port", "allowed"),
    [
        ([], "anything.example", 443, True),
        ([], "anything.example", 80, True),
        ([], "anything.example", 8080, False),
        (["img.example.com"], "img.example.com", 443, True),
        (["img.example.com"], "img.example.com", 22, False),
        (["img.example.com"], "example.com", 443, False),
        (["img.example.com"], "img.example.com.evil.example", 443, False),
        (["img.example.com"], "evil-img.example.com", 443, False),
        (["*.example.com"], "img.example.com", 443, True),
        (["*.example.com"], "a.b.example.com", 443, True),
        (["*.example.com"], "example.com", 443, False),
        (["*.example.com"], "evilexample.com", 443, False),
        (["*.example.com", "cdn.example.net"], "cdn.example.net", 443, True),
    ],
)
def test_allow_list(hosts: list[str], host: str, port: int, allowed: bool) -> None:  # noqa: FBT001
    assert FetchPolicy(hosts=frozenset(hosts)).allows(host, port) is allowed


@pytest.mark.parametrize(
    ("named", "host", "port", "private"),
    [
        ("minio:9000", "minio", 9000, True),
        ("minio:9000", "minio", 9001, False),
        ("minio:9000", "minio.evil.example", 9000, False),
        ("[::1]:8080", "::1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.2", 8080, False),
    ],
)
def test_private_hosts_are_named_with_their_port(named: str, host: str, port: int, private: bool) -> None:  # noqa: FBT001
    assert FetchPolicy(private_hosts=frozenset({named})).names_private(host, port) is private
