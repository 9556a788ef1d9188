"""The loops that users write, one module a library. Each is what its documentation shows.

A factory takes the wire and the source's address, builds the client, and gives the function that reads one answer: its
pieces of text, in their order. Nothing here is imported before its worker asks for it.
"""
