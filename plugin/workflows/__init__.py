"""Durable work: the engine, what it runs, and the feeder that finds what is due. Worker process only."""
