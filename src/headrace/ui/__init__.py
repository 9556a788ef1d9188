"""The web page and the JavaScript client: static files, served as they are by the gateway."""
