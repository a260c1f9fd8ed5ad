"""The store: rows on disk, with no opinion about what they mean.

statements  every SQL statement, named, with a line of purpose; the schema and its migrations
batch       a journal as rows, ready to be written by any thread
store       the SQLite file: opening, committing, reading
file_lock   one scheduler per file
"""

from durakit.scheduler.store.batch import Batch
from durakit.scheduler.store.store import Store, StoreError

__all__ = ["Batch", "Store", "StoreError"]
