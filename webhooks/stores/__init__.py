"""What each store sends, read into our words: one parser per store, pure, no I/O."""
