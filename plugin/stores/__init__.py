"""What each store can do for us: one adapter per store, found by name through the registry."""
