"""Lent memory: how a piece of it comes to both ends of a channel, and goes again.

    writer   MakeBuffer ─▶              BufferMade ─▶                                         DropBuffer ─▶
    core                BufferMemory ─▶            TakeBuffer ─▶             BufferReady ─▶              BufferDropped ─▶
    reader                                                      BufferTaken ─▶

What the pieces are for, and why so many steps: ``transport/buffers.py``, ``loans.py``.
"""

from logoscore.transport.messages.base import Message


class BufferMessage(Message):
    """About one piece of memory that large buffers are lent in, between the ends of ``link``.

    ``back``: it goes with the ring from callee to caller. ``piece``: the writer's number of it, never used again.
    """

    link: int
    back: bool
    piece: int


# --- core → party ---------------------------------------------------------------------------------------------------


class BufferMemory(BufferMessage):
    """Answer to MakeBuffer, for the writer: here it is, with its descriptor. Answered with BufferMade."""


class TakeBuffer(BufferMessage):
    """For the reader: this piece, with its descriptor, will be written to. Answered with BufferTaken."""

    size: int


class BufferReady(BufferMessage):
    """For the writer: the reader has it, too; or (not ``usable``) it cannot be had."""

    usable: bool


class BufferDropped(BufferMessage):
    """For the reader: the writer does not use it any more."""


# --- party → core ---------------------------------------------------------------------------------------------------


class MakeBuffer(BufferMessage):
    """The writer wants a piece of ``size`` bytes. Answered with BufferMemory, or BufferReady (not usable)."""

    size: int


class BufferMade(BufferMessage):
    """The writer has mapped it and reserved its pages."""


class BufferTaken(BufferMessage):
    """The reader has mapped it, or (not ``usable``) could not."""

    usable: bool


class DropBuffer(BufferMessage):
    """The writer does not use it any more."""
