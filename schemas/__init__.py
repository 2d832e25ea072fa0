"""schemas: XSDs, the interface description and code lists as package data."""
