"""Imported before all else: a SIGHUP that comes while a service starts does not end it.

It asks a service to open its bundle again. One that is only starting opens it anyway, so the signal
is ignored until the service takes it over, from here on: before the imports, which are slow.
"""

import signal
import sys

_SERVICES = ("serve", "stream", "watch")

if sys.argv[1:2] and sys.argv[1] in _SERVICES:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
