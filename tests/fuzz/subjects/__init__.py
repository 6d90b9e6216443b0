"""The subjects, each with what must hold for any bytes at all."""

from __future__ import annotations

from typing import Final

from fuzz.subjects import bounded_json, channel, codec, control, frame, metadata, ring, ring_twins, wire_errors
from fuzz.target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        frame.TARGET,
        codec.TARGET,
        codec.TREE_TARGET,
        ring.TARGET,
        ring_twins.TARGET,
        channel.TARGET,
        control.TARGET,
        control.TREE_TARGET,
        wire_errors.TARGET,
        bounded_json.TARGET,
        metadata.TARGET,
    )
}
