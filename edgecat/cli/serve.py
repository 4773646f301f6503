"""The command `edgecat serve`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import allow_older_option, power_save_option, signer_option, variant_option


@click.command("serve", short_help=COMMANDS["serve"])
@click.argument("bundle")
@variant_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen; any but a loopback address needs --token-file.",
)
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 for any free one.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the token that clients have to send, 16 characters or more.",
)
@click.option(
    "--max-body-mb",
    default=16,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Larger photos are refused.",
)
@click.option(
    "--queue",
    "max_waiting",
    default=16,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many photos may wait; more are turned away with 503.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Of the model; default: all cores that it may use but one.",
)
@power_save_option
@signer_option
@allow_older_option
def command(
    bundle: str,
    variant: str | None,
    host: str,
    port: int,
    token_file: Path | None,
    max_body_mb: int,
    max_waiting: int,
    threads: int | None,
    power_save: bool,
    signer: Path | None,
    allow_older: bool,
) -> None:
    """Answer photos over HTTP, with a page for people.

    BUNDLE is a folder, a link to one, or the name of a released model (cats12). When another
    bundle takes its place, or on SIGHUP, the server goes over to it without losing a request; one
    that is damaged is refused, and the old one serves on (see /healthz).

    \b
      edgecat serve cats12                              then open http://127.0.0.1:8000/
      curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8000/v1/predict
      curl -F photo=@cat.jpg http://127.0.0.1:8000/v1/predict

    For other machines, with a token of your own:

    \b
      (umask 077; openssl rand -hex 32 > token)
      edgecat serve cats12 --host 0.0.0.0 --token-file token
      curl -H "Authorization: Bearer $(cat token)" -F photo=@cat.jpg http://HOST:8000/v1/predict

    The token travels unencrypted: outside of a network that you trust, put a web server with TLS
    in front. GET /healthz and GET /metrics (Prometheus) are for machines.
    """
    from edgecat.serve.limits import Limits
    from edgecat.serve.server import Address, choose_threads, serve
    from edgecat.service.live import LiveClassifier

    limits = Limits(max_body_bytes=max_body_mb * 2**20, max_waiting=max_waiting)
    address = Address(host, port, token_file)
    classifier = LiveClassifier(
        bundle,
        variant,
        threads=threads or choose_threads(),
        power_save=power_save,
        signer=signer,
        allow_older=allow_older,
    )
    serve(classifier, address, limits, lambda line: click.echo(line, err=True))
