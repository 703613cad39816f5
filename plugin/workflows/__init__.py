"""Durable work: the engine, and the feeder that finds what is due. Worker process only."""
