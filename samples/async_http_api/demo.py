"""A caller of the API: run a search to its end, fetch the result; end another early."""

import argparse
import json
import sys
import time
from http.client import HTTPMessage
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where client.py serves")
    url = parser.parse_args().url.rstrip("/")
    try:
        end_one_early(url)
        print(run_one(url))
    except (URLError, ValueError) as error:
        sys.exit(f"demo.py: nothing to talk to at {url}: {getattr(error, 'reason', error)}")


def run_one(url: str) -> str:
    """Let a search run to its end and return its result in a sentence."""
    _, headers, _ = call("POST", f"{url}/searches", {"first": 1, "last": 100_000_000})
    status, seen = 202, None
    while status == 202:
        time.sleep(int(headers["Retry-After"]))
        status, headers, body = call("GET", url + headers["Location"], log=False)
        if body != seen:
            progress = body["progress"] or {"slices_done": 0, "slices": "?", "primes": 0}
            print("  {slices_done} of {slices} slices, {primes:,} primes".format(**progress), flush=True)
        seen = body
    _, _, found = call("GET", f"{url}/searches/{body['id']}/result")
    gap = f"the longest gap is {found['longest_gap']}, after {found['longest_gap_after']:,}"
    return f"{found['count']:,} primes up to 100,000,000, the largest {found['largest']:,}; {gap}"


def end_one_early(url: str) -> None:
    """Start a search that would take minutes, and think better of it."""
    _, headers, _ = call("POST", f"{url}/searches", {"first": 10**11, "last": 10**11 + 10**9 - 1})
    search = url + headers["Location"]
    call("GET", f"{search}/result")
    call("DELETE", search)
    while call("GET", search, log=False)[0] == 202:
        time.sleep(0.1)
    call("GET", f"{search}/result")


def call(method: str, url: str, body: object = None, *, log: bool = True) -> tuple[int, HTTPMessage, Any]:
    """Make a request, print it with its answer, and return status, headers and body."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        answer = urlopen(request, timeout=30)
    except HTTPError as error:
        answer = error
    with answer:
        status, headers, value = answer.status, answer.headers, json.load(answer)
    if log:
        print(method, request.selector, *([] if body is None else [json.dumps(body)]))
        print(f"  {status} {value.get('error') or headers.get('Location') or json.dumps(value)}", flush=True)
    return status, headers, value


if __name__ == "__main__":
    main()
