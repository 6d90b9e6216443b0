"""A party that asks for a channel over and over may lose its own; whoever is at the other end goes on serving."""

from __future__ import annotations

import contextlib

from logoscore import Core, PluginInterface, invokable
from logoscore.errors import LogosError
from logoscore.session.deadlines import deadline_after
from logoscore.transport.messages import OpenLink


class Patient(PluginInterface):
    @invokable
    def echo(self, value: int) -> int:
        return value


def test_the_other_end_survives() -> None:
    with Core(entry_points=False) as core:
        patient = core.load_plugin(Patient)
        assert patient.call("echo", 1) == 1
        pid = core.get_plugin_info("patient").pid
        node = core.api.get_client("patient")._node
        for _ in range(400):
            # Each closes the one before, perhaps while the other end is just opening it.
            with contextlib.suppress(LogosError):
                node.request(lambda number: OpenLink(number, "patient"), deadline_after(10))
        assert patient.call("echo", 2) == 2
        assert core.get_plugin_info("patient").pid == pid
