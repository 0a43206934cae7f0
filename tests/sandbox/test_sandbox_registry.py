"""The operator's npm configuration, read without npm."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.registry import RegistrySettings, parse_npmrc, registry_settings

NOTHING = ("/bin/false",)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def settings(home: Path, **env: str) -> RegistrySettings:
    env = {"HOME": str(home), "npm_config_globalconfig": str(home / "global"), **env}
    return registry_settings(cache_dir=home / "cache", npm_cli=NOTHING, env=env)


def test_the_environment_wins_over_the_user_file_and_that_over_the_global_one(home: Path) -> None:
    (home / "global").write_text("registry=https://global.example.org")
    assert settings(home).url == "https://global.example.org/"
    (home / ".npmrc").write_text("; comment\n# comment\n registry = 'https://user.example.org/npm' \n")
    assert settings(home).url == "https://user.example.org/npm/"
    assert settings(home, NPM_CONFIG_REGISTRY="https://ENV.example.org:8443").url == "https://env.example.org:8443/"
    assert settings(home, npm_config_userconfig=str(home / "none")).url == "https://global.example.org/"


def test_host_and_port_come_from_the_address() -> None:
    assert (RegistrySettings(url="https://a.example/x/").host, RegistrySettings(url="https://a.example/x/").port) == (
        "a.example",
        443,
    )
    assert RegistrySettings(url="https://a.example:8443/").port == 8443


def test_credentials_belong_to_the_longest_matching_address_and_never_stay_in_the_url(home: Path) -> None:
    (home / ".npmrc").write_text(
        "registry=https://user:pw@r.example.org/team/npm/\n"
        "//r.example.org/:_authToken=outer\n"
        "//r.example.org/team/npm/:_authToken=${TOKEN}\n"
        "//other.example.org/:_authToken=other\n"
    )
    found = settings(home, TOKEN="inner")
    assert found == RegistrySettings(url="https://r.example.org/team/npm/", authorization="Bearer inner")
    (home / ".npmrc").write_text("registry=https://r.example.org/team/npm/\n//r.example.org/:_auth=dTpw\n")
    assert settings(home).authorization == "Basic dTpw"
    (home / ".npmrc").write_text("registry=https://r.example.org/\n//other.example.org/:_authToken=x\n")
    assert settings(home).authorization is None


def test_the_first_certificate_bundle_that_exists_is_taken(home: Path) -> None:
    (home / "a.pem").touch()
    (home / "b.pem").touch()
    (home / ".npmrc").write_text(f"registry=https://r.example.org\ncafile={home}/missing.pem")
    env = {"NODE_EXTRA_CA_CERTS": str(home / "a.pem"), "SSL_CERT_FILE": str(home / "b.pem")}
    assert settings(home).ca_file is None
    assert settings(home, **env).ca_file == home / "a.pem"
    (home / ".npmrc").write_text(f"registry=https://r.example.org\ncafile={home}/b.pem")
    assert settings(home, **env).ca_file == home / "b.pem"


@pytest.mark.parametrize(
    "url", ["http://r.example.org/", "ftp://r.example.org", "nonsense", "https://", "https://h:port/"]
)
def test_a_registry_that_is_not_https_is_refused(home: Path, url: str) -> None:
    with pytest.raises(CannotRun) as refusal:
        settings(home, npm_config_registry=url)
    assert refusal.value.reason_code == "registry-not-https"


def test_npm_is_asked_once_for_its_default(home: Path) -> None:
    npm = home / "npm"
    npm.write_text(f"#!/bin/sh\necho asked >> {home}/asked\necho https://default.example.org/\n")
    npm.chmod(0o755)
    for _ in range(2):
        env = {"HOME": str(home), "npm_config_globalconfig": "/nonexistent"}
        found = registry_settings(cache_dir=home / "cache", npm_cli=(str(npm),), env=env)
        assert found.url == "https://default.example.org/"
    assert (home / "asked").read_text() == "asked\n"


def test_without_configuration_and_npm_it_ends_in_one_sentence(home: Path) -> None:
    with pytest.raises(CannotRun) as refusal:
        settings(home)
    assert refusal.value.reason_code == "no-registry"


@given(st.text())
def test_any_file_can_be_parsed(text: str) -> None:
    parse_npmrc(text, os.environ)
