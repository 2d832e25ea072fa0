"""web: routes only, no decisions. HTTP stops here."""
