"""Every bound of the library in one place."""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """How much one socket may ask for; README.md says what happens at each bound."""

    max_channels: int = 100
    max_frame_bytes: int = 1_048_576
    max_malformed: int = 100
    inbox_size: int = 128
    writer_bytes: int = 1_048_576
    writer_stall_s: float = 20.0
    connect_timeout_s: float = 8.0
    join_timeout_s: float = 8.0  # under the client's own ten seconds
    idle_timeout_s: float = 60.0  # phoenix.js sends a heartbeat every thirty
    shutdown_timeout_s: float = 5.0
    close_grace_s: float = 1.5
    slice_sockets: int = 1000
