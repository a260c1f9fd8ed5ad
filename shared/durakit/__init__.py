"""Durable orchestrations in ordinary Python, on the Durable Task protocol."""

from durakit._version import __version__ as __version__
