"""The way in: what has to happen before anything that takes time is imported."""

import signal
import sys

# Those that SIGHUP asks to open their bundle again (`edgecat.service.signals`). As long as they
# have none open there is nothing to do, but without this it would end them.
_SERVICES = ("serve", "watch", "stream")


def main() -> None:
    """Run the command that this process was started with, see `edgecat.cli.main.main`."""
    if sys.argv[1:2] and sys.argv[1] in _SERVICES:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from edgecat.cli.main import main as run

    run()
