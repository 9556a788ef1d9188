"""What a simulated model writes: prose, lists, tables, programs, JSON, arguments of tools; by seed, for any prompt."""
