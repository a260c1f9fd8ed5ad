"""Serve the HTTP API in front of the prime search; worker.py does the work."""

import argparse

import durakit
from durakit.web import add_arguments, serve

from api import make_app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    options = parser.parse_args()
    with durakit.client_program("searches that were started go on"):
        serve(make_app(durakit.connect_async()), host=options.host, port=options.port)


if __name__ == "__main__":
    main()
