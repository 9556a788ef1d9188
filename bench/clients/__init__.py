"""What a token costs its user: clients of models beside ours, over answers that cost next to nothing to make.

Run it with ``python -m bench.clients``; ``make bench`` does, with environments for the peers.
"""
