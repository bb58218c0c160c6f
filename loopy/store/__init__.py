"""The work graph on SQLite or Postgres through SQLAlchemy Core."""
