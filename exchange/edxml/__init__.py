"""edxml: bytes ↔ values. Nothing else in the exchange parses or writes XML."""
