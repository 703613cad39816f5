"""Where everything is kept: SQLite by default, PostgreSQL when grown.

SQLAlchemy Core, never an ORM.
"""
