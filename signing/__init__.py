"""Can a stranger check it? Bytes in, verdict out: no database, no HTTP server, never imports exchange."""

__version__ = "0.1.0"
