"""The processes that a benchmark starts: schedulers, workers and the clients that drive them."""
