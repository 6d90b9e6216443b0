"""No token in any log, repr, traceback, argv or environment; a denial is logged with both names."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

from acceptance.support import MODULES, raises_remotely
from logoscore import Core
from logoscore.errors import AuthenticationError

VAULT, PROBE = "auth_vault", "auth_probe"


class Spoken:
    """What the core and its hosts have logged and printed so far."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._caplog, self._capfd = caplog, capfd
        self._printed = ""

    def text(self) -> str:
        captured = self._capfd.readouterr()
        self._printed += captured.out + captured.err
        return self._caplog.text + self._printed

    def lines_with(self, *names: str) -> int:
        """How many lines have all of ``names``."""
        return sum(all(name in line for name in names) for line in self.text().splitlines())


@pytest.fixture
def spoken(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Spoken:
    caplog.set_level(logging.DEBUG)
    return Spoken(caplog, capfd)


@pytest.fixture
def core(spoken: Spoken) -> Iterator[Core]:
    """A Core that is started only when its output is captured."""
    spoken.text()
    with Core(plugins_dir=MODULES, entry_points=False) as core:
        yield core


def all_tokens(core: Core, probe: Any) -> set[str]:
    tokens = [
        core.get_token(VAULT),
        core.get_token(PROBE),
        core.api.tokens.held(VAULT),
        core.api.tokens.held(PROBE),
        probe.call("held", VAULT),
    ]
    assert all(isinstance(token, str) and len(token) == 36 for token in tokens)
    assert len(set(tokens)) == len(tokens), "two of them are the same"
    return set(tokens)


def assert_secret(tokens: set[str], text: str, where: str) -> None:
    for token in tokens:
        for form in (token, token.replace("-", ""), repr(bytes.fromhex(token.replace("-", "")))[2:-1]):
            assert form not in text, f"a token is in {where}"


def test_no_token_is_shown_anywhere(core: Core, spoken: Spoken) -> None:
    vault, probe = core.load_plugin(VAULT), core.load_plugin(PROBE)
    assert vault.call("touch") == 1
    assert probe.call("touch") == 2
    tokens = all_tokens(core, probe)
    shown = {
        "a repr": repr([core, core.api, core.api.tokens, core.api.provider, vault, probe, core.get_plugin_info(VAULT)]),
        "a str": "".join(map(str, (core, core.api, core.api.tokens, vault))),
        "a module's repr": probe.call("describe_tokens"),
        "the app's environment": repr(dict(os.environ)),
        "the stats": repr(core.get_module_stats()),
    }
    for name in (VAULT, PROBE):
        process = Path("/proc") / str(core.get_plugin_info(name).pid)
        shown[f"argv of {name}"] = (process / "cmdline").read_bytes().decode(errors="replace")
        shown[f"environment of {name}"] = (process / "environ").read_bytes().decode(errors="replace")
    for where, text in shown.items():
        assert text, where
        assert_secret(tokens, text, where)
    core.reload_plugin(VAULT)
    assert probe.call("touch") == 1
    core.cleanup()
    assert_secret(tokens, spoken.text(), "a log")


def test_no_token_in_an_error(core: Core, spoken: Spoken) -> None:
    vault, probe = core.load_plugin(VAULT), core.load_plugin(PROBE)
    assert probe.call("touch") == vault.call("touch") - 1 == 1
    tokens = all_tokens(core, probe)
    stolen = probe.call("held", VAULT)
    core.api.tokens.hold(VAULT, stolen)
    with pytest.raises(AuthenticationError) as caught:
        vault.call("touch")
    with raises_remotely("AuthenticationError") as remote:
        probe.call("touch_with", core.get_token(VAULT))
    for error in (caught.value, remote.value):
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
        assert_secret(tokens, text + repr(error) + repr(vars(error)), "an error")
    core.cleanup()
    assert_secret(tokens, spoken.text(), "a log")


def test_denial_is_logged_with_both_names_and_no_token(core: Core, spoken: Spoken) -> None:
    vault, probe = core.load_plugin(VAULT), core.load_plugin(PROBE)
    stranger = core.load_plugin("auth_stranger")
    assert probe.call("touch") == vault.call("touch") - 1 == 1
    tokens = all_tokens(core, probe)
    before = spoken.lines_with("auth_stranger", VAULT)
    with raises_remotely("PermissionDeniedError"):
        stranger.call("attempt", VAULT, "touch", [])
    wait_until(lambda: spoken.lines_with("auth_stranger", VAULT) > before, what="a line of the log with both names")
    assert_secret(tokens, spoken.text(), "a log")


def test_refused_token_is_logged_with_both_names_and_no_token(core: Core, spoken: Spoken) -> None:
    vault, probe = core.load_plugin(VAULT), core.load_plugin(PROBE)
    assert probe.call("touch") == vault.call("touch") - 1 == 1
    tokens = all_tokens(core, probe)
    before = spoken.lines_with(PROBE, VAULT)
    with raises_remotely("AuthenticationError"):
        probe.call("touch_with", core.api.tokens.held(VAULT))
    wait_until(lambda: spoken.lines_with(PROBE, VAULT) > before, what="a line of the log with both names")
    assert_secret(tokens, spoken.text(), "a log")
