"""One context for every page, with the data of the design's pictures, or with hostile text in every place."""

# ruff: noqa: E501 - rows of data are read best as rows
from __future__ import annotations

from dataclasses import replace
from typing import Any

from durakit.dashboard import parameters, sequence, timeline
from durakit.dashboard.backend import BulkProgress, Hub, Offers
from durakit.dashboard.events import EventPage, NumberedEvent
from durakit.dashboard.failures import Failure
from durakit.dashboard.instances import (
    ChildCounts,
    Family,
    Generation,
    Instance,
    InstanceRow,
    Relative,
    StatusChange,
    StatusRecord,
)
from durakit.dashboard.lists import Bucket, Counts, Histogram, InstancePage, Searched
from durakit.dashboard.phrases import Piece, code, phrase
from durakit.dashboard.reasons import Reason
from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Digest, digest
from durakit.dashboard.views import data, forms, history, hubs, instance, kin, listing, workers
from durakit.dashboard.views.frame import Frame
from durakit.dashboard.views.payloads import payload
from durakit.dashboard.views.statuses import statuses_of
from durakit.dashboard.workforce import OfferedName, Queue, Worker, Workforce

from .histories import Script
from .scenes import ns, purchase_order

NOW_NS = ns(207)
EVERYTHING = Offers(
    True, True, frozenset(), ("-started", "started", "-updated", "-completed"), True, True, True
)


def frame(text: str = "human_interaction", **changes: Any) -> Frame:
    """Return a frame of the hub `text`."""
    values: dict[str, Any] = {
        "title": f"{text}",
        "hub": text,
        "hubs": [text, "default"],
        "endpoint": "127.0.0.1:8080",
        "offers": EVERYTHING,
        "now_ns": NOW_NS,
        "has_unoffered": True,
        "live_topic": "instances",
        "nonce": "n1",
    }
    return Frame(**{**values, **changes})


def waiting(text: str) -> Reason:
    """Return the reason of an order that waits for its approval."""
    until = Piece("14:02:00", "time", at_ns=ns(891))
    return Reason(
        "event",
        sentence=phrase(
            "Waiting for event ",
            code(text),
            " until ",
            until,
            ", in ",
            Piece("11 min 24 s", "countdown", at_ns=ns(891)),
            ".",
        ),
        short=phrase("Waiting for event ", code(text), " until ", until),
        detail=phrase("Since 13:47:12, after activity ", code("request_approval"), " completed."),
        waiting="event",
        on=(text,),
        acts=(("raise", text),),
    )


def row(
    instance_id: str, text: str = "purchase_order", status: str = "running", **changes: Any
) -> InstanceRow:
    """Return an instance named `text`."""
    values: dict[str, Any] = {"created_ns": ns(0), "updated_ns": ns(3), "version": "1.4.0"}
    return InstanceRow(instance_id, text, status, **{**values, **changes})


def rows(text: str) -> list[InstanceRow]:
    """Return a list like that of the design's first picture."""
    say = phrase
    stuck = Reason(
        "worker", say("x"), say("No connected worker offers activity ", code(text)), attention=True
    )
    retry = Reason("retry", say("x"), say("Retry 2 of 5 of ", code("charge_card"), ", after ConnectionError"))
    held = Reason("suspended", say("x"), say(f"Suspended 6 min ago: {text}"))
    later = Reason("scheduled", say("x"), say("Starts at 18:00:00"))
    return [
        row("po-1041-charge", "charge_order", reason=retry, created_ns=ns(169)),
        row("po-1042", text, reason=waiting("approval")),
        row(
            "batch-77",
            "process_orders",
            children=ChildCounts(6, 2, 1),
            reason=Reason("child", say("x"), say("waiting for 2")),
        ),
        row("batch-77:0004", "ship_order", parent_id="batch-77", reason=stuck),
        row("inv-eu-3", "sync_inventory", "suspended", reason=held, version="1.3.2"),
        row("newsletter-nov", "send_newsletter", "pending", reason=later),
        row(text, "purchase_order", "completed", completed_ns=ns(190), custom_status='"approved by dana"'),
        row(
            "trip-88120",
            "book_trip",
            "failed",
            completed_ns=ns(4),
            error=f"SeatUnavailable: {text}",
            tags={text: text},
        ),
        row(
            "ledger-2026-11-a",
            "import_ledger",
            "terminated",
            completed_ns=ns(123),
            reason=Reason("terminated", say("x"), say("wrong file")),
        ),
    ]


def head(text: str, found: InstanceRow, tab: instance.Tab) -> instance.Head:
    """Return the head of an instance."""
    facts = Instance(found, "e1", last_turn_ns=ns(3), last_worker="build-7:4121", generation=3)
    return instance.Head(
        "human_interaction", facts, tab, instance.act_offers("h", found), [(text, text)], relations=9
    )


def _digest(script: Script) -> Digest:
    return digest(script.events)


def instances(
    text: str = "po-1040", query: tuple[tuple[str, str], ...] = (("from", "-6h"), ("tag", "region=eu"))
) -> listing.InstancesView:
    """Return the list."""
    asked = parameters.read([*query, ("q", text)] if text != "po-1040" else query, NOW_NS)
    buckets = [
        Bucket(
            ns(-21600 + 300 * at),
            {"completed": 20 + at % 17, "failed": at % 5, "running": 3 if at > 66 else 0},
        )
        for at in range(72)
    ]
    by_status = {
        "pending": 3,
        "running": 27,
        "suspended": 1,
        "completed": 12329,
        "failed": 41,
        "terminated": 17,
    }
    return listing.InstancesView(
        frame=frame(title="Instances · human_interaction"),
        path="/h/human_interaction/instances",
        parameters=asked,
        page=InstancePage(rows(text), after="c1", searched=Searched(41200, 200_000, ns(-600), "c9")),
        counts=Counts(by_status, attention=4),
        histogram=Histogram(300 * 1_000_000_000, buckets),
        families={
            "batch-77": listing.Family(
                [
                    row(
                        "batch-77:0003",
                        "charge_order",
                        "failed",
                        error="CardDeclined: insufficient funds",
                        parent_id="batch-77",
                        completed_ns=ns(72),
                    )
                ],
                3,
            )
        },
        names=["purchase_order", text],
    )


def steps(text: str = "po-1042", page: str = "timeline") -> instance.StepsView:
    """Return the timeline, or the sequence, of an order that waits."""
    found = row(
        text,
        "purchase_order",
        reason=waiting("approval"),
        events=18,
        tags={"region": "eu", "dept": "it"},
        custom_status='{"step": "awaiting approval", "approver": "dana"}',
        children=ChildCounts(2),
    )
    told = _digest(purchase_order())
    scene = Scene(found, told, {1: ns(0.05), 2: ns(0.21), 4: ns(1.7), 5: ns(2.3)})
    drawing: Any = (
        timeline.build(scene, NOW_NS, chosen="7") if page == "timeline" else sequence.build(scene, NOW_NS)
    )
    tab: instance.Tab = "timeline" if page == "timeline" else "sequence"
    return instance.StepsView(
        frame(title=f"Waiting · {text}", live_topic=f"instance:{text}"),
        head(text, found, tab),
        told,
        {"step": "7"} if page == "timeline" else {},
        drawing=drawing,
    )


def failed(text: str = "insufficient funds") -> data.DataView:
    """Return the input, output and failure chain of an order whose card was declined."""
    script = Script("charge_order")
    task_id = script.call("charge_card", text)
    script.end_turn().at(60).turn().failed(task_id, "workflow.CardDeclined", text).end_turn().ended(
        3, "CardDeclined", text
    )
    told = _digest(script)
    found = row(
        "batch-77:0003",
        "charge_order",
        "failed",
        completed_ns=ns(72),
        error=f"CardDeclined: {text}",
        parent_id="batch-77",
        parent_name="process_orders",
    )
    found = replace(
        found,
        reason=Reason(
            "failed",
            phrase("Failed: ", Piece(f"CardDeclined: {text}", "error")),
            phrase("x"),
            phrase("in activity ", code("charge_card"), ", attempt 3 of 3, at 13:41:41."),
            acts=(("rewind", ""), ("restart", "")),
        ),
    )
    trace = 'Traceback (most recent call last):\n  File "workflow.py", line 41, in charge_card\n    raise CardDeclined(body["reason"]) from err\n  File "/x/site-packages/requests/a.py", line 3, in get\n    return f()\n'
    facts = Instance(
        found,
        input='{"order_id": "1038", "amount": 912.50, "card": "tok_4a1c"}',
        failure=Failure(
            "durakit.task.TaskFailedError", text, trace, cause=Failure("workflow.CardDeclined", text, trace)
        ),
    )
    made = data.data_view(
        frame(title="Failed"), replace(head(text, found, "data"), instance=facts), facts, told
    )
    drawing = timeline.build(Scene(found, told), NOW_NS, only_failed=True)
    long = f'"{text}{"." * 200}"'
    changes = [StatusChange(ns(9), None), StatusChange(ns(5), long), StatusChange(ns(0), '"checking card"')]
    return replace(made, drawing=drawing, statuses=statuses_of(facts, StatusRecord(changes, dropped=2)))


def events(text: str = "po-1042") -> history.HistoryView:
    """Return a history with one event opened."""
    script = purchase_order()
    script.at(20).turn().raised(text, f'{{"by": "{text}"}}').end_turn()
    told = _digest(script)
    numbered = [NumberedEvent(at, event) for at, event in enumerate(script.events, 1)]
    found = row("po-1042", reason=waiting("approval"), events=len(numbered))
    page = EventPage(numbered, len(numbered), 200)
    return history.HistoryView(
        frame(title="po-1042"),
        head(text, found, "history"),
        history.history_rows(page, told, opened=3),
        len(numbered),
        {},
        "?after=200",
    )


def of_all(text: str = "batch-77:0003") -> tuple[history.HistoryView, data.DataView]:
    """Return history and data of an instance and of a descendant of that name, with its last event opened."""
    own, part = events(), failed(text)
    top = kin.Member(own.head.row, _digest(purchase_order()))
    below = kin.Member(replace(part.head.row, id=text, name=text, error=text), part.digest, 1)
    both = kin.Kin([top, below], 12)
    script = Script("charge_order")
    script.end_turn().ended(3, "CardDeclined", text)
    numbered = [NumberedEvent(at, event) for at, event in enumerate(script.events, 1)]
    page = EventPage(numbered, len(numbered))
    merged = kin.merge([(top, page), (below, page)], {}, limit=200)
    rows = history.merged_rows(merged, both, opened=(text, numbered[-1].number))
    shown = replace(part, head=replace(part.head, instance=replace(part.head.instance, row=below.row)))
    return (
        replace(own, rows=rows, kin=both, options={"kids": "1"}),
        replace(part, kin=both, descendants=[shown], options={"kids": "1"}),
    )


def relations(text: str = "CardDeclined: insufficient funds") -> instance.RelationsView:
    """Return a family with a failed child and generations."""
    found = row("batch-77", "process_orders", children=ChildCounts(6, 2, 1))
    stuck = Reason("worker", phrase("x"), phrase("no worker offers ", code("print_label")), attention=True)
    members = [
        Relative(row("orders-2026-11-21", "nightly_orders"), -1),
        Relative(found, 0, hidden=12),
        Relative(row("batch-77:0001", "process_order", "completed", completed_ns=ns(4)), 1),
        Relative(row("batch-77:0003", "charge_order", "failed", error=text, completed_ns=ns(72)), 1),
        Relative(row("batch-77:0003:0002", "check_card", "completed", completed_ns=ns(1)), 2),
        Relative(row("batch-77:0004", "ship_order", reason=stuck), 1),
    ]
    generations = [
        Generation(1, "e1", ns(-3600), ns(-1800), False, True),
        Generation(2, "e2", ns(-1800), ns(0), False, False),
        Generation(3, "e3", ns(0), None, True, True),
    ]
    return instance.RelationsView(
        frame(title="batch-77"), head(text, found, "relations"), Family(members, generations)
    )


def workforce(text: str = "print_label") -> workers.WorkersView:
    """Return workers and queues, with a name that nobody offers."""
    offers = (
        OfferedName("orchestration", "purchase_order"),
        OfferedName("activity", text, ("1.0",)),
        OfferedName("entity", "account"),
    )
    connected = [
        Worker(
            "build-7:4121",
            1,
            "durakit 0.9.0 Python 3.13",
            offers,
            1,
            39,
            10,
            30,
            ns(120),
            4871,
            ns(-4320),
            NOW_NS,
        ),
        Worker(
            "build-7:4121", 2, "durakit 0.9.0 Python 3.13", (), 0, 0, None, None, None, 12, ns(-4320), ns(203)
        ),
        Worker("laptop:88213", 1, "durabletask 1.12.0", None, 0, 1, 64, 64, ns(206), 96, ns(-700), NOW_NS),
        Worker(
            "build-6:3990",
            1,
            "durakit 0.9.0",
            offers,
            0,
            0,
            None,
            None,
            None,
            310,
            ns(-9000),
            ns(-160),
            ns(-160),
            2,
        ),
    ]
    queues = [
        Queue(
            "activity",
            "hash_file",
            "",
            148,
            ns(204),
            37,
            ("build-7:4121",),
            tuple(abs(5 - at % 11) for at in range(30)),
        ),
        Queue("activity", text, "", 1, ns(-360), 0, (), (0, 0, 1, 1), ("ship_order", "batch-77:0004")),
        Queue("orchestration", "hash_folder", "1.4.0", 1, ns(206.9), 0, ("build-7:4121", "laptop:88213")),
    ]
    return workers.WorkersView(
        frame(title="Workers", live_topic="workers"),
        Workforce(connected, queues, ("laptop:88213 sent no filter: it is given every kind of work.",)),
    )


def start(text: str = "purchase_order") -> forms.StartView:
    """Return the form that starts an orchestration, with a mistake in its input."""
    values = {
        "name": text,
        "id": "po-1043",
        "version": "1.4.0",
        "tags": "region=eu\ndept=it",
        "input": '{\n  "order_id": "po-1043"\n  "amount": 4820.00\n}',
    }
    same = forms.Same(
        f"durakit instances start {text} --id po-1043",
        "curl -X POST …",
        "client.schedule_new_orchestration(…)",
    )
    return forms.StartView(
        frame(title="Start orchestration"),
        values,
        same,
        {"input": 'Line 3: a comma is missing before "amount". Nothing was sent.'},
        [text],
        ["hash_folder"],
        ["build-7:4121"],
        None,
        ["po-1042"],
    )


def act(what: instance.Act = "raise", text: str = "approval") -> forms.ActView:
    """Return the form of an act."""
    found = row("po-1042", reason=waiting(text), children=ChildCounts(6))
    choices = [
        forms.EventChoice(text, phrase("waited for since 13:47:12, until 14:02:00"), True),
        forms.EventChoice(
            "cancel", phrase("not waited for now; raised in 12 earlier runs of ", code("purchase_order"))
        ),
    ]
    labels = instance.ACTS
    same = forms.Same(f"durakit instances {what} po-1042 {text}", "curl …", "client.…")
    return forms.ActView(
        frame(title=labels[what]),
        head(text, found, "timeline"),
        what,
        labels[what],
        text,
        {"payload": '{"approved": true}'},
        same,
        ("Activities that already run are not stopped; their results are dropped.",),
        {"": f"{text} went wrong."},
        None,
        choices if what == "raise" else (),
        ("charge_card",) if what == "rewind" else (),
    )


def bulk(text: str = "region=eu", progress: BulkProgress | None = None) -> forms.BulkView:
    """Return the form that terminates many, or how far that has come."""
    return forms.BulkView(
        frame(title="Terminate"),
        "terminate",
        "Terminate",
        410,
        True,
        rows(text)[:5],
        text,
        (("chosen", text),),
        9,
        progress,
        "j1" if progress else None,
    )


def every(text: str | None = None) -> dict[str, tuple[str, Any]]:
    """Return (template, view) of every page by name; `text` in every place where users' text stands."""
    given = (text,) if text is not None else ()
    hub = Hub(text or "saga", {"running": 27, "failed": 41, "completed": 12350}, 118_000_000, 2, ns(200))
    empty = replace(
        instances(*given),
        page=InstancePage([]),
        nothing=listing.Nothing(False, (), (("tag region=eu", "?from=-6h", 37),)),
    )
    unused = replace(empty, nothing=listing.Nothing(True, given or ("purchase_order",)))
    refused = BulkProgress("terminate", 400, 9, ((text or "po-1", text or "It completed."),), 410)
    opened = events(*given)
    event = next(row for row in opened.rows if isinstance(row, history.EventRow) and row.is_opened)
    return {
        "instances": ("instances.html", instances(*given)),
        "instances-nothing": ("instances.html", empty),
        "instances-unused": ("instances.html", unused),
        "instances-read-only": ("instances.html", replace(instances(*given), frame=frame(is_read_only=True))),
        "timeline": ("timeline.html", steps(*given)),
        "sequence": ("sequence.html", steps(text or "po-1042", "sequence")),
        "history": ("history.html", opened),
        "history-of-all": ("history.html", of_all(*given)[0]),
        "data-of-all": ("data.html", of_all(*given)[1]),
        "event": ("event.html", history.EventView(opened.frame, opened.head, event)),
        "data": (
            "data.html",
            replace(failed(*given), failures=(), output=payload("output", "9007199254740993")),
        ),
        "failure": ("data.html", failed(*given)),
        "relations": ("relations.html", relations(*given)),
        "workers": ("workers.html", workforce(*given)),
        "workers-not-told": ("workers.html", workers.WorkersView(frame(), None)),
        "hubs": ("hubs.html", hubs.HubsView(frame(hub=None), [hub, Hub("default")])),
        "hub-new": (
            "hub_new.html",
            hubs.HubFormView(frame(hub=None), None, {"name": text or ""}, {"name": text or "It exists."}),
        ),
        "hub-reset": ("hub_reset.html", hubs.HubFormView(frame(hub=None), hub, {"name": text or "sag"})),
        "start": ("start.html", start(*given)),
        **{f"act-{name}": ("act.html", act(name, text or "approval")) for name in instance.ACTS},
        "bulk": ("bulk.html", bulk(*given)),
        "bulk-progress": ("bulk.html", bulk(text or "x", refused)),
        "help": ("help.html", hubs.HelpView(frame(), [("Workers", True, "the scheduler itself")])),
    }
