"""The dashboard: pages about task hubs and their instances, rendered on the server, each with a JSON twin.

backend     what the pages talk to: one interface for all schedulers
embedded    the scheduler of this process behind it; remote: any endpoint, over gRPC
instances   what is told of an instance; lists, events, workforce: of many, of a history, of workers
steps       a history as calls with their attempts, timers, waits, children; failures: what they recorded
reasons     why an instance is where it is, in words; cases, resting, facts: what it is made from
parameters  what a list's address asks for
views       one typed context per page, from which both HTML and JSON come
routes      the paths, one module per subject; site: what they share
web         the pages as an ASGI application, and its server
guard       who may ask: Host, Origin, token; what every answer carries
on_demand   serves on an open socket and loads the rest with the first visitor
pages       contexts as HTML or JSON, and files; templating: what templates can call
scene       what drawings are made from; timeline, sequence, mermaid, histogram: the drawings
words       times, durations, sizes in words; phrases: sentences of marked pieces; text: characters and paths
"""
