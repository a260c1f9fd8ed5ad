"""A visitor of the shop: orders over HTTP, waits, and tells what became of the batch."""

import argparse
import json
import sys
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ENDED = ("completed", "failed", "terminated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where client.py serves")
    parser.add_argument("--chance", type=float, default=0.1, help="of failure, at each step (0.1)")
    parser.add_argument("--seed", type=int, default=27, help="which steps fail by chance (27)")
    options = parser.parse_args()
    try:
        visit(options.url.rstrip("/"), {"chance": options.chance, "seed": options.seed})
    except HTTPError as error:
        sys.exit(f"demo.py: {options.url} answers {error.code}: {told_in(error)}")
    except (URLError, ValueError, LookupError) as error:
        sys.exit(
            f"demo.py: {options.url} does not answer ({getattr(error, 'reason', error)}); start client.py"
        )
    except KeyboardInterrupt:
        sys.exit("demo.py: no longer waiting; the orders are fulfilled without us")


def visit(url: str, wish: dict[str, float]) -> None:
    print(f"POST /orders {json.dumps(wish)}", flush=True)
    batch = ask("POST", f"{url}/orders", wish)
    print(f"GET /orders/{batch['id']} until it has ended", flush=True)
    while batch.get("status") not in ENDED:
        time.sleep(0.2)
        batch = ask("GET", f"{url}/orders/{batch['id']}")
    if batch["status"] != "completed":
        sys.exit(f"demo.py: the batch was {batch['status']}: {batch['error'] or 'somebody ended it'}")
    completed, failed = batch["result"]["completed"], batch["result"]["failed"]
    for outcome in failed:
        print(f"order {outcome['order']} failed at {outcome['failed_step']}: {outcome['reason']}")
    print(f"{len(completed)} orders completed, {len(failed)} failed")


def told_in(error: HTTPError) -> str:
    """Return what the server says about an error; one that is not ours may say nothing."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, LookupError, TypeError):
        return error.reason


def ask(method: str, url: str, body: object = None) -> dict[str, Any]:
    """Return the JSON that the server answers."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=30) as answer:
        decoded: dict[str, Any] = json.load(answer)
    return decoded


if __name__ == "__main__":
    main()
