"""The job queue: procrastinate on the database we have anyway.

Rules: the queue's tables are made by `ingest.store.database.migrate`; tasks are registered by who runs them.
"""

from procrastinate import App, PsycopgConnector


def job_app(url: str, *, connections: int = 4) -> App:
    """A job application on the database of `url`; open it with ``async with app.open_async()``.

    Parameters
    ----------
    connections : int
        Upper bound of its own pool: one listens for new jobs, the others run them.
    """
    return App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=connections))
