"""Which IP addresses belong to the public internet."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out (RFC 4291)
NAT64 = IPv6Network("64:ff9b::/96")  # the IPv4 internet as an IPv6-only network sees it (RFC 6052)
ISATAP_IDENTIFIERS = frozenset({0x00005EFE, 0x02005EFE})  # bits 64 to 95 (RFC 5214)

# Sources: the IANA special-purpose registries for IPv4 and IPv6, where ipaddress of Python 3.11 is
# behind them, and the clouds' own documentation.
NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba Cloud's metadata is 100.100.100.200
            "168.63.129.16/32",  # Azure's host agent, a public address that never leaves the host
            "192.0.0.0/24",  # IETF protocols; Oracle Cloud's former metadata is 192.0.0.192
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # IETF protocols: Teredo (2001::/32), ORCHID, benchmarking
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address, possibly private, in bits 16 to 47
            "3fff::/20",  # documentation
        ),
    )
)


def is_public(address: str) -> bool:
    """Whether packets to this IPv4 or IPv6 address leave for the public internet.

    IPv6 addresses that carry an IPv4 address (mapped, compatible, translated, 6to4, Teredo, ISATAP) never
    do: no image host is published under one. NAT64 is judged by the IPv4 address inside. A NAT64 prefix of
    an operator's own choice looks like any other address and is not recognised.
    """
    ip = ip_address(address)
    return _is_public_v4(ip) if isinstance(ip, IPv4Address) else _is_public_v6(ip)


def _is_public_v4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not _is_special(ip)


def _is_public_v6(ip: IPv6Address) -> bool:
    if ip in NAT64:
        return _is_public_v4(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in GLOBAL_UNICAST and ip.is_global and not _is_special(ip) and not _is_isatap(ip)


def _is_special(ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in network for network in NOT_PUBLIC)


def _is_isatap(ip: IPv6Address) -> bool:
    return (int(ip) >> 32) & 0xFFFFFFFF in ISATAP_IDENTIFIERS
