"""How Python itself is set up for a server that loads models while it answers."""

import gc
import sys

_SWITCH_SECONDS = 0.0005


def keep_requests_moving() -> None:
    """Keeps the loading and unloading of versions from holding up requests.

    To be called once the modules are imported. Loading builds a graph in Python for seconds. Each
    time a request then wants the interpreter's lock it waits for the switch interval, 5 ms by
    default, and it wants it many times. And the garbage collector, which unloading runs, need not
    look through all of TensorFlow's modules every time.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
