"""Tokens: who may call whom, as random UUIDs kept by the two sides that they join.

Rules:

* A token is a pair's and has a direction: what A presents to B is not what B presents to A. So a manager keeps two
  tables, *saved* (what a peer must present to us) and *held* (what we present to a target), and never mixes them.
* Comparison is constant-time and positive: no entry, an empty or a malformed token is always a refusal. (The original's
  check was inverted, and any non-empty token passed.)
* A token that the capability module gives out while another is in use (``admit``) voids that one when it is presented
  for the first time, not before: whoever asks for one more and never presents it has lost nothing, nor have those of his
  threads that call just then.
* The core's word that a party is gone may be heard when its successor of the same name has tokens already (from calls,
  another way). It says when that was, and what is newer stays: a token that was still on its way then, too, until the
  successor presents its own. Nobody can use it meanwhile: the channel is the successor's. What the core plants comes the
  same way as its word, so it counts as older.
* A token never appears in a repr, a log or an error.
* The lock guards changes. A look-up of one key is one step of the interpreter by itself, and stands on the way of each call.
"""

from __future__ import annotations

import threading
import time
from typing import Final

try:  # what hmac.compare_digest is, without hashlib and OpenSSL, which each host would have to load
    from _operator import _compare_digest as compare_digest
except ImportError:
    from hmac import compare_digest  # type: ignore[no-redef]  # the same function

__all__ = ["TokenManager", "new_token", "token_bytes"]

_SIZE: Final = 16
_TEXT_SIZE: Final = 36
_now = time.monotonic_ns
_EVER: Final = 1 << 63
_ADMITTED: Final = 16  # tokens that a peer was given and has not presented; of more, the newest


def new_token() -> str:
    """A fresh random token, as the text of a version 4 UUID."""
    import uuid

    return str(uuid.uuid4())


def token_bytes(token: str) -> bytes:
    """The 16 bytes of a token's text, as they stand in a frame. Anything malformed gives zeros, which never match."""
    if isinstance(token, str) and len(token) == _TEXT_SIZE:
        try:
            raw = bytes.fromhex(token.replace("-", ""))
        except ValueError:
            return bytes(_SIZE)
        if len(raw) == _SIZE:
            return raw
    return bytes(_SIZE)


class TokenManager:
    """The tokens of one party. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saved: dict[str, bytes] = {}
        self._since: dict[str, int] = {}  # when each of these came
        self._admitted: dict[str, list[tuple[bytes, int]]] = {}  # beside the saved one, and since when; oldest first
        self._held: dict[str, tuple[str, bytes, int]] = {}

    # what others present to us

    def save(self, peer: str, token: str, since: int | None = None) -> None:
        """From now on ``peer`` must present ``token`` (Logos Core's ``save``). Replaces all earlier ones.

        Args:
            since: what counts as its age (monotonic ns); None: now.
        """
        raw = token_bytes(token)
        with self._lock:
            self._admitted.pop(peer, None)
            if any(raw):
                self._save(peer, raw, _now() if since is None else since)
            else:
                self._saved.pop(peer, None)
                self._since.pop(peer, None)

    def _save(self, peer: str, raw: bytes, since: int) -> None:
        self._since[peer] = since
        self._saved[peer] = raw

    def admit(self, peer: str, token: str) -> None:
        """From now on ``peer`` may present ``token``; once it has, earlier ones are void."""
        raw = token_bytes(token)
        if not any(raw):
            return
        with self._lock:
            if peer not in self._saved:
                self._save(peer, raw, _now())
                return
            admitted = self._admitted.setdefault(peer, [])
            admitted.append((raw, _now()))
            del admitted[:-_ADMITTED]

    def check_valid(self, peer: str, token: str | bytes) -> bool:
        """Whether ``peer`` presents the right token (Logos Core's ``check_valid``). Constant-time."""
        raw = token if type(token) is bytes else token_bytes(token)  # type: ignore[arg-type]  # a str, then
        saved = self._saved.get(peer)
        return (saved is not None and compare_digest(saved, raw)) or self._takes_up(peer, raw)

    def _takes_up(self, peer: str, raw: bytes) -> bool:
        """Whether it is an admitted one, which is now in use; those before it are void. Or in use by now: with the lock."""
        with self._lock:
            saved = self._saved.get(peer)
            if saved is None:
                return False
            if compare_digest(saved, raw):
                return True
            admitted = self._admitted.get(peer, [])
            found = [index for index, (each, _) in enumerate(admitted) if compare_digest(each, raw)]
            if not found:
                return False
            self._save(peer, *admitted[found[0]])
            self._admitted[peer] = admitted[found[0] + 1 :]
            return True

    def revoke(self, peer: str) -> None:
        """``peer`` may no longer call us."""
        with self._lock:
            self._saved.pop(peer, None)
            self._since.pop(peer, None)
            self._admitted.pop(peer, None)

    # what we present to others

    def hold(self, target: str, token: str, since: int | None = None) -> bytes:
        """From now on we present ``token`` to ``target``; returns it as it stands in a frame. ``since``: as for ``save``."""
        raw = token_bytes(token)
        with self._lock:
            self._held[target] = (token, raw, _now() if since is None else since)
        return raw

    def held(self, target: str) -> str | None:
        """The token that we present to ``target``, or None."""
        entry = self._held.get(target)
        return entry[0] if entry else None

    def held_bytes(self, target: str) -> bytes | None:
        """The same as it stands in a frame."""
        entry = self._held.get(target)
        return entry[1] if entry else None

    def remove(self, target: str, before: int = _EVER) -> None:
        """Forget the token for ``target``, if it is from before that time; the next call asks for a new one."""
        with self._lock:
            self._remove(target, before)

    def _remove(self, target: str, before: int) -> None:
        if (held := self._held.get(target)) is not None and held[2] < before:
            del self._held[target]

    def forget(self, name: str, before: int = _EVER) -> None:
        """Forget everything about ``name``, in both directions, or what is from before that time (monotonic ns)."""
        with self._lock:
            self._remove(name, before)
            newer = [each for each in self._admitted.pop(name, []) if each[1] >= before]
            if self._since.get(name, before) < before:
                del self._saved[name], self._since[name]
                if newer:
                    self._save(name, *newer.pop(0))
            if newer:
                self._admitted[name] = newer

    def peers(self) -> list[str]:
        """Who may call us now: names only, sorted."""
        with self._lock:
            return sorted(self._saved)

    def __repr__(self) -> str:
        with self._lock:
            return f"<TokenManager: {len(self._saved)} peers may call, {len(self._held)} targets>"
