"""The protocol's messages. Import as `from durakit.wire.messages import orchestration_pb2 as pb`."""
