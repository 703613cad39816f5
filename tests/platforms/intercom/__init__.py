"""Tests of the Intercom desk."""
