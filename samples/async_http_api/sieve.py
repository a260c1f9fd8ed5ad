"""Primes by the segmented sieve of Eratosthenes: memory for the segment only, wherever it begins."""

from __future__ import annotations

from functools import lru_cache
from itertools import compress
from math import isqrt


def primes(first: int, last: int) -> list[int]:
    """Return the primes from `first` to `last`, both included, in order."""
    first = max(first, 2)
    if last < first:
        return []
    is_prime = bytearray([1]) * (last - first + 1)
    for prime in base_primes(isqrt(last)):
        multiple = max(prime * prime, -(-first // prime) * prime)  # smaller ones have a smaller divisor
        is_prime[multiple - first :: prime] = bytes(len(range(multiple, last + 1, prime)))
    return list(compress(range(first, last + 1), is_prime))


@lru_cache(maxsize=8)
def base_primes(last: int) -> tuple[int, ...]:
    """Return the primes up to `last`; a worker needs the same ones again and again."""
    return tuple(primes(2, last))
