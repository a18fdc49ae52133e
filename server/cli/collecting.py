"""How a process that holds many sockets collects garbage."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 20_000  # before the youngest are looked through


def spare_the_collector() -> None:
    """Leave what is loaded for good out of garbage collections, and collect the rest less often.

    A socket keeps some fifty objects for as long as it is open. To walk through all of them again
    after every few hundred new ones was a third of the cost of a connect.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
