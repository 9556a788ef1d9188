"""Bytes over sockets: one blocking transport, one async, both thin; all else is shared."""
