"""Every webhook parser, fed with changed bodies: events or a refusal with a name, nothing else."""
