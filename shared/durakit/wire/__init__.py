"""What travels between SDK and scheduler: messages, method paths, framing, channels.

Importing this package, `messages`, `methods` or `framing` never imports grpc.
"""
