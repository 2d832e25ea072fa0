"""Can a stranger check it? Bytes in, verdict out: no database, no HTTP server, never imports exchange."""
