"""Serve the purchasing desk, where people approve orders; or ask on the terminal with --console."""

import argparse
import re
from decimal import Decimal
from pathlib import Path

import durakit
from durakit.web import add_arguments, serve

from console import talk
from desk import Desk
from pages import make_pages
from workflow import Rules

HERE = Path(__file__).resolve().parent
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--console", action="store_true", help="ask on the terminal; serve no pages")
    parser.add_argument("--limit", type=amount, default="1000", help="below, nobody is asked (%(default)s)")
    for option, default in (("--remind-after", "8h"), ("--cancel-after", "24h")):
        parser.add_argument(option, type=seconds, default=default, metavar="TIME", help="(%(default)s)")
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for letters and orders")
    add_arguments(parser)
    options = parser.parse_args()
    rules = Rules(options.limit, options.remind_after, options.cancel_after)
    with durakit.client_program("orders go on waiting for an answer"), durakit.connect() as client:
        desk = Desk(client, rules, options.output.resolve())
        if options.console:
            talk(desk)
        else:
            serve(make_pages(desk), host=options.host, port=options.port)


def amount(text: str) -> Decimal:
    if not re.fullmatch(r"\d{1,9}(\.\d\d?)?", text):
        raise argparse.ArgumentTypeError(f"{text} is no amount such as 1000 or 99.95")
    return Decimal(text)


def seconds(text: str) -> float:
    if not (match := re.fullmatch(r"(\d{1,6})([smhd])", text)):
        raise argparse.ArgumentTypeError(f"{text} is no time such as 30s, 15m, 8h or 2d")
    return float(match[1]) * UNITS[match[2]]


if __name__ == "__main__":
    main()
