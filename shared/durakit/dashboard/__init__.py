"""The dashboard: pages about task hubs and their instances, rendered on the server, each with a JSON twin.

on_demand   serves on an open socket and loads the rest with the first visitor
web         the pages as an ASGI application, and its server
guard       who may ask: Host, Origin, token; what every answer carries
views       one typed context per page, from which both HTML and JSON come
text        how values become text: paths, times, characters that must not act
"""
