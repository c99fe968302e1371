"""Who can do what: offers by name, and names that nobody can do."""
