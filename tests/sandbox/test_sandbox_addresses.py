"""Only the public internet counts as public."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.sandbox.addresses import is_public_address


@pytest.mark.parametrize("address", ["140.82.121.4", "8.8.8.8", "2606:50c0:8000::153", "2a00:1450:4001:80b::200e"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.7", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *(
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "2001::1",
        ),
        *("fec0::1", "2001:db8::1", "localhost", "", "1", "0x7f000001", "2606:50c0:8000::153%1"),
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_public_address(address)


@given(st.ip_addresses())
def test_nothing_that_python_calls_local_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public_address(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_public(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for text in (f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 65535:x}", f"::{address}"):
        assert not is_public_address(text)
    assert not is_public_address(f"2002:{number >> 16:x}:{number & 65535:x}::1")
