"""The embedded scheduler: a state machine, a store, a hub per task hub, a gRPC service.

The SDK half of durakit never imports this package.
"""
