"""What is said of a connection that broke off, however paramiko puts it."""

from __future__ import annotations

import threading
from typing import Any, cast

import paramiko
import pytest

from compiler.device.pipes import ChannelPipe
from compiler.device.shell import Shell
from compiler.errors import LostError
from compiler.model.finding import Code


class _Buffer:
    def set_event(self, event: threading.Event) -> None:
        self.event = event


class _Broken:
    """A channel whose connection ends while something is sent."""

    closed = eof_sent = event_ready = False

    def __init__(self, error: Exception) -> None:
        self.in_buffer, self.in_stderr_buffer = _Buffer(), _Buffer()
        self._error = error

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        del data
        raise self._error


@pytest.mark.parametrize(
    "error", [EOFError(), OSError("Socket is closed"), paramiko.SSHException("no key in time")]
)
def test_a_line_that_ends_while_a_script_is_sent_is_lost(error: Exception) -> None:
    channel = cast("Any", _Broken(error))
    with pytest.raises(LostError) as raised:
        Shell(ChannelPipe(channel, "router"), "router").run("true", 1)
    assert raised.value.findings[0].code is Code.S806
