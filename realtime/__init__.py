"""Channels over websockets as Phoenix has them: sockets, channels, topics, broadcasts, pub/sub.

Speaks to the `phoenix` npm client. README.md tells how it works and what it promises.
"""

from realtime.channel import Answer, Channel, Error, Ok, Refused, SocketRef, Stop
from realtime.endpoint import Endpoint, Publisher
from realtime.frame import Frame
from realtime.limits import Limits
from realtime.message import Broadcast
from realtime.presence import Presence
from realtime.pubsub.local import LocalPubSub
from realtime.pubsub.port import PublishFailed, PubSub
from realtime.rates import Rate, Rates
from realtime.socket import ConnectInfo, ConnectRefused, Hub, Socket
from realtime.telemetry import Telemetry
from realtime.token import Token, TokenRefused

__all__ = [
    "Answer",
    "Broadcast",
    "Channel",
    "ConnectInfo",
    "ConnectRefused",
    "Endpoint",
    "Error",
    "Frame",
    "Hub",
    "Limits",
    "LocalPubSub",
    "Ok",
    "Presence",
    "PubSub",
    "PublishFailed",
    "Publisher",
    "Rate",
    "Rates",
    "Refused",
    "Socket",
    "SocketRef",
    "Stop",
    "Telemetry",
    "Token",
    "TokenRefused",
]
