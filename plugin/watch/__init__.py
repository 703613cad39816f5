"""Watching Makegood run: counters for Prometheus and spans for OpenTelemetry. Changes nothing.

Neither library is loaded unless a setting asks for it.
"""
