"""The backend of any endpoint over gRPC: what the protocol offers, and "not offered" for the rest.

selecting  filters that the protocol does not know, applied to what was fetched
states     states of the protocol as rows of a list
backend    all of it behind the interface
"""
