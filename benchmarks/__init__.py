"""Side-by-side benchmarks of Durakit and its peers; `python benchmarks/run.py` runs them."""
