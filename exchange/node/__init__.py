"""node: the agency's side of the exchange."""
