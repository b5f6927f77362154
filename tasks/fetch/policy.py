"""What the operator allows a download to reach and to use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits of one download.

    Attributes:
        hosts: image hosts, as exact names or "*.example.com" (any depth below, not example.com itself),
            lower case, in the ASCII form of an international name. Empty: any host with a public address.
        private_hosts: "host:port" ("[::1]:port" for IPv6) that may have any address, private ones included.
        max_bytes: the largest photo, in bytes, counted on what arrives and again after decompression.
        connect_timeout: seconds for a TCP connection to one address, and again for its TLS handshake.
        read_timeout: seconds that the host may stay silent.
        total_timeout: seconds for the whole download, redirects and name look-ups included.
        max_redirects: how often the host may send the download elsewhere.
        ports: the ports of hosts that are not named in private_hosts.
    """

    hosts: frozenset[str] = frozenset()
    private_hosts: frozenset[str] = frozenset()
    max_bytes: int = 20_000_000
    connect_timeout: float = 3.05  # just above 3 s, the wait before TCP repeats a lost SYN for the second time
    read_timeout: float = 10.0
    total_timeout: float = 20.0
    max_redirects: int = 3
    ports: frozenset[int] = frozenset({80, 443})

    def names_private(self, host: str, port: int) -> bool:
        """Whether the operator named this very host and port as one that may be private."""
        return f"[{host}]:{port}" in self.private_hosts or f"{host}:{port}" in self.private_hosts

    def allows(self, host: str, port: int) -> bool:
        """Whether a host that is not named as private may be asked at all."""
        return port in self.ports and (not self.hosts or any(_matches(host, entry) for entry in self.hosts))


def _matches(host: str, entry: str) -> bool:
    return host.endswith(entry[1:]) if entry.startswith("*.") else host == entry
