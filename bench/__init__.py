"""What an event costs. Run one with ``python -m bench.decode``; ``make bench`` runs them all."""
