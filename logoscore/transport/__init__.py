"""Bytes between two processes: frames, codec and rings (pure), shared memory, channels, the control pipe."""
