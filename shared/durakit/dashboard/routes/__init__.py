"""The paths of the dashboard, one module per subject; each adds its own to the application.

hubs       hubs, help, the way in
lists      a hub's instances
instances  one instance: timeline, sequence, data, relations, and raw payloads
histories  events, one by one or all
acts       start, raise, suspend, ...: forms (GET) and acts (POST)
bulk       acts on many
workers    workers and queues
live       changes as Server-Sent Events
"""
