"""Stages over events: what stands between a decoder and the user. Sans-IO: clocks are handed in."""
