"""Options that several commands have, so that each reads alike everywhere."""

from pathlib import Path

import click

variant_option = click.option(
    "--variant",
    help="One of those that 'edgecat inspect' shows; default: the fastest that ships here.",
)

threads_option = click.option(
    "--threads", type=int, help="Default: one per core that affinity and CPU quota leave."
)

power_save_option = click.option(
    "--power-save", is_flag=True, help="Threads that wait for work sleep."
)

allow_older_option = click.option(
    "--allow-older",
    is_flag=True,
    help="With --require-signature: take a bundle although its owner's newer one was used here.",
)

signer_option = click.option(
    "--require-signature",
    "signer",
    type=click.Path(path_type=Path),
    metavar="PUBLIC.pem",
    help="Refuse a bundle that the owner of this key did not sign (see edgecat sign).",
)
