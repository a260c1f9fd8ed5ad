"""Each rule with what breaks it and what looks alike and does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from durakit.check import RULES

from .checking import check_source, orchestrator, rules

# rule, what comes before the orchestrator, a line that breaks the rule, one that looks alike and does not
CALLS = [
    ("clock", "import datetime", "x = datetime.datetime.now()", "x = datetime.datetime(2026, 1, 1)"),
    ("clock", "from datetime import datetime as dt", "x = dt.utcnow()", "x = dt.fromisoformat(given)"),
    ("clock", "from datetime import date", "x = date.today()", "x = ctx.current_utc_datetime.date()"),
    ("clock", "import time", "x = time.time()", "x = time.gmtime(0)"),
    ("clock", "import time as t", "x = t.monotonic_ns()", "x = t.strftime('%Y', given)"),
    ("clock", "from time import strftime", "x = strftime('%Y')", "x = given.strftime('%Y')"),
    ("clock", "from datetime import datetime\nnow = datetime.now", "x = now()", "now = given\nx = now()"),
    (
        "random",
        "import random",
        "x = random.choice(given)",
        "x = random.Random(ctx.new_uuid()).choice(given)",
    ),
    ("random", "from random import Random", "x = Random()", "x = Random(7).random()"),
    ("random", "import secrets", "x = secrets.token_hex()", "x = given.secrets.token_hex"),
    ("random", "import os", "x = os.urandom(4)", "x = os.path.join('a', 'b')"),
    ("random", "", "x = hash(given)", "x = given.hash()"),
    ("uuid", "import uuid", "x = uuid.uuid4()", "x = uuid.uuid5(uuid.NAMESPACE_DNS, given)"),
    ("uuid", "from uuid import uuid1 as new", "x = new()", "x = ctx.new_uuid()"),
    ("sleep", "import time", "time.sleep(1)", "await ctx.create_timer(given)"),
    ("sleep", "import asyncio", "await asyncio.sleep(1)", "given.sleep(1)"),
    ("asyncio", "import asyncio", "await asyncio.gather(given)", "await when_all([given])"),
    ("asyncio", "from asyncio import create_task", "x = create_task(given)", "x = given.create_task()"),
    ("thread", "import threading", "x = threading.Thread()", "x = given.Thread()"),
    ("thread", "from concurrent.futures import ThreadPoolExecutor", "x = ThreadPoolExecutor()", "pass"),
    ("thread", "import multiprocessing as mp", "x = mp.Pool()", "x = given.Pool()"),
    ("network", "import requests", "x = requests.get(given)", "x = given.get('requests')"),
    (
        "network",
        "import httpx\nhttp = httpx.Client()",
        "x = http.get(given)",
        "http = {}\nx = http.get(given)",
    ),
    ("network", "from urllib import request", "x = request.urlopen(given)", "x = given.urlopen()"),
    ("network", "import socket", "x = socket.create_connection(given)", "x = socket.AF_INET"),
    ("database", "import sqlite3", "x = sqlite3.connect(given)", "x = sqlite3.Row"),
    ("file", "", "x = open(given)", "x = given.open"),
    ("file", "import os", "x = os.listdir(given)", "x = os.path.basename(given)"),
    ("file", "import os.path", "x = os.path.exists(given)", "x = os.path.splitext(given)"),
    ("file", "import shutil", "shutil.rmtree(given)", "raise shutil.Error()"),
    ("file", "from pathlib import Path", "x = Path(given).exists()", "x = Path(given).name"),
    ("file", "from pathlib import Path", "p = Path(given) / 'a'\np.mkdir()", "p = given\np.mkdir()"),
    ("file", "", "x = given.path.read_text()", "x = given.path.with_suffix('.txt')"),
    (
        "process",
        "import subprocess",
        "subprocess.run(given)",
        "raise subprocess.CalledProcessError(1, given)",
    ),
    ("process", "import os", "os.system(given)", "x = os.sep"),
    ("environment", "import os", "x = os.environ['A']", "x = given.environ['A']"),
    ("environment", "from os import environ", "x = environ.get('A')", "environ = {}\nx = environ.get('A')"),
    ("environment", "import os", "x = os.getenv('A')", "x = given.getenv('A')"),
    ("environment", "import sys", "x = sys.argv[1]", "x = sys.maxsize"),
    ("environment", "import socket", "x = socket.gethostname()", "x = ctx.instance_id"),
    ("environment", "from pathlib import Path", "x = Path.cwd()", "x = Path('a')"),
    ("print", "", "print(given)", "if not ctx.is_replaying:\n    print(given)"),
    ("print", "import sys", "sys.stderr.write(given)", "given.write(sys.byteorder)"),
    (
        "logging",
        "import logging\nlog = logging.getLogger(__name__)",
        "log.info('x')",
        "safe = ctx.create_replay_safe_logger(log)\nsafe.info('x')",
    ),
    ("logging", "import logging", "logging.warning('x')", "x = logging.WARNING"),
    (
        "logging",
        "import logging\nlog = logging.getLogger(__name__)",
        "if ctx.is_replaying:\n    log.info('x')",
        "if ctx.is_replaying:\n    pass\nelse:\n    log.info('x')",
    ),
    ("logging", "from common import logger", "logger.info('x')", "logger = ctx.log\nlogger.info('x')"),
    ("logging", "from loguru import logger", "logger.info('x')", "x = logger.level"),
    ("global-state", "SEEN = []", "SEEN.append(given)", "seen = []\nseen.append(given)"),
    ("global-state", "COUNT = {}", "COUNT['a'] = given", "x = COUNT['a']"),
    ("global-state", "total = 0", "global total\ntotal += 1", "total = 0\ntotal += 1"),
    ("global-state", "class Box:\n    size = 0", "Box.size = 1", "x = Box.size"),
    ("global-state", "import itertools\nids = itertools.count()", "x = next(ids)", "x = next(iter(given))"),
    ("global-state", "import settings", "settings.level = 2", "x = settings.level"),
    (
        "global-state",
        "CACHE = {}\ndef fill(key):\n    CACHE[key] = 1\n",
        "x = CACHE.get(given)",
        "CACHE = given\nx = CACHE.get(given)",
    ),
    ("unawaited-task", "", "ctx.call_activity('a')", "await ctx.call_activity('a')"),
    ("unawaited-task", "", "t = ctx.create_timer(given)", "t = ctx.create_timer(given)\nawait t"),
    ("unawaited-task", "", "when_all([given])", "x = [ctx.call_activity('a')]\nawait when_all(x)"),
    ("unawaited-task", "", "ctx.wait_for_external_event('e')", "ctx.send_event('i', 'e')"),
    ("unawaited-task", "", "return ctx.call_activity('a')", "return await ctx.call_activity('a')"),
    ("unawaited-task", "async def helper(c):\n    pass", "helper(ctx)", "await helper(ctx)"),
    ("foreign-await", "import model", "await model.ask(given)", "await model.ask(ctx, given)"),
    ("foreign-await", "import model", "async for x in model.all():\n    pass", "for x in given:\n    pass"),
    ("foreign-await", "import model", "async with model.open():\n    pass", "with given:\n    pass"),
    (
        "activity-call",
        "def work(c: ActivityContext, x):\n    return open(x)",
        "x = work(None, given)",
        "x = await ctx.call_activity(work, input=given)",
    ),
    ("set-order", "", "for x in {1, 2}:\n    pass", "for x in sorted({1, 2}):\n    pass"),
    ("set-order", "", "s = set(given)\nx = list(s)", "s = set(given)\nx = len(s)"),
    ("set-order", "", "x = [n for n in set(given)]", "x = sum([n for n in set(given)])"),
    ("set-order", "", "x = ','.join({'a'} | given)", "x = ','.join(['a'])"),
    ("unknown-ignore", "", "pass  # durakit: ignore[clok]", "pass  # durakit: ignore[clock]"),
]


@pytest.mark.parametrize(("rule", "before", "wrong", "right"), CALLS)
def test_a_rule_is_broken_by_the_one_and_not_by_the_other(
    tmp_path: Path, rule: str, before: str, wrong: str, right: str
) -> None:
    assert rules(check_source(tmp_path, orchestrator(wrong, before=before))) == [rule]
    assert rules(check_source(tmp_path, orchestrator(right, before=before))) == []


def test_each_rule_has_an_example() -> None:
    assert {rule for rule, *_ in CALLS} == RULES.keys()


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_each_rule_says_what_to_do_instead_in_a_sentence(rule: object) -> None:
    found = RULES[str(getattr(rule, "name", ""))]

    assert found.instead[0].isupper()
    assert found.instead.endswith(".")
    assert not found.why.endswith(".")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ctx.call_activity('a')\nyield 1", "yield ctx.call_activity('a')"),
        ("t = when_any([given])\nyield 1", "t = when_any([given])\nyield t"),
        ("helper(ctx)\nyield 1", "yield from helper(ctx)"),
    ],
)
def test_generators_yield_their_tasks(tmp_path: Path, wrong: str, right: str) -> None:
    helper = "def helper(c):\n    yield c.create_timer(1)\n"

    assert rules(check_source(tmp_path, orchestrator(wrong, before=helper, kind="def"))) == ["unawaited-task"]
    assert rules(check_source(tmp_path, orchestrator(right, before=helper, kind="def"))) == []
