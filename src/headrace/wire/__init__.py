"""The wires: how providers (and front ends) put a stream into bytes. Sans-IO, a room a wire."""
