"""Small programs for building and checking the repository; never shipped, never imported by it."""
