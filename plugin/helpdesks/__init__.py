"""One module or package per helpdesk, found by its name. Adapters never import one another."""
