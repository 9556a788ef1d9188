"""What goes wrong, on demand: faults by name, and the habits of real servers (dialects)."""
