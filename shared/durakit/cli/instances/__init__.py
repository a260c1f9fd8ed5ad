"""`durakit instances`: the instances of any scheduler, seen and steered from a shell.

choosing   options that filter
listing    list
showing    show, history
acts       start, raise, rewind, restart
many       suspend, resume, terminate, purge: one, several, or all that match
waiting    wait, watch
following  how `watch` tells: drawing, lines or JSON
"""

from __future__ import annotations

import click

from durakit.cli.connection import EXIT_CODES
from durakit.cli.instances.acts import raise_, restart, rewind, start
from durakit.cli.instances.listing import list_
from durakit.cli.instances.many import purge, resume, suspend, terminate
from durakit.cli.instances.showing import history, show
from durakit.cli.instances.waiting import wait, watch

_EPILOG = f"""
\b
Examples:
  durakit instances list --status failed --from -6h
  durakit instances show po-1042
  durakit instances raise po-1042 approval --data true
  durakit instances purge --status completed --to -30d

The scheduler is the one that workers and clients use: --endpoint and --taskhub, else ENDPOINT and TASKHUB
or a connection string, from the environment or .env. An id that begins with - comes after --.

{EXIT_CODES}
"""


@click.group("instances", epilog=_EPILOG, no_args_is_help=False, short_help="See and steer instances.")
def command() -> None:
    """See and steer orchestration instances: of the embedded scheduler, of the emulator, of Azure."""


for each in (list_, show, history, wait, watch, start, raise_):
    command.add_command(each)
for each in (suspend, resume, terminate, restart, rewind, purge):
    command.add_command(each)
