"""Record exchanges with real providers into files, and replay them in their own time."""
