"""Every bound of the library in one place."""

from msgspec import Struct

from realtime.rates import Rate, Rates


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
    drain_s: float = 10.0  # in which everyone is sent away when the server stops
    slice_sockets: int = 200
    poll_window_s: float = 10.0  # under the twenty seconds after which phoenix.js gives up
    poll_relay_timeout_s: float = 2.0
    max_polls: int = 10_000  # sessions of the long poll, which hold no connection open
    max_batch: int = 100  # as phoenix.js sends at most
    max_batch_bytes: int = 8_388_608
    sse_comment_s: float = 15.0
    socket_rates: Rates | None = None
    user_rates: Rates | None = None  # shared by the sockets of one `Socket.user()`
    address_rates: Rates | None = None  # shared by those of one `ConnectInfo.peer`
    share_rates_s: float = 1.0  # how often nodes tell each other what users and addresses use
    refusals: Rate = Rate(1.0, 60.0)  # of one socket for its rates; then close 1008
