"""The schema's history (Alembic), each step up and down."""
