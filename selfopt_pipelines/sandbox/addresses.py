"""Which network addresses a name given by a stranger may lead to: the public internet, nothing else."""

import ipaddress

# Reserved ranges of the IANA special-purpose registries that `is_global` judges differently between
# Python versions, or that translate to other addresses (a NAT64 gateway would reach 10.0.0.1 for us).
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT; one cloud's metadata service lives here
        "168.63.129.16/32",  # a cloud's host agent on a public-looking address
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # local NAT64
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


def is_public_address(text: str) -> bool:
    """True where `text` is an address on the public internet that does not translate to another one.

    Parameters
    ----------
    text
        An IPv4 or IPv6 address as `getaddrinfo` gives it; a scope such as `%eth0` makes it local.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address.scope_id):
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)
