"""Plays on sockets: an HTTP/1.1 server that says exactly what a play says, when it says it, and notes what happened."""
