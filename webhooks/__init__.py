"""What platforms send us: taken in, checked, kept, and only then understood."""
