"""Scripts: which request is answered how."""
