"""How pages behave while they are read: they hold still, follow keys, zoom, and outlive the scheduler."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from durakit.azuremanaged.client import DurableTaskSchedulerClient
from durakit.dashboard import text
from playwright.sync_api import Route, expect
from stage import Stage, staged, sync_inventory

from .conftest import UNREACHABLE, Open, Watched, arriving

HOSTILE = "x</script><script>document.title='owned'</script>\u202e'\"><img src=x onerror=alert(1)>"
#: What a page sends along when it fetches itself anew.
ANEW = "x-durakit-part"
COUNT_CHANGES = """
    let changes = 0;
    window.EventSource = class extends EventSource {
        constructor(address) {
            super(address);
            this.addEventListener("change", () => { document.documentElement.dataset.changes = ++changes; });
        }
    };
"""


def hold_first(held: list[Route]) -> Callable[[Route], None]:
    """Return what keeps back the first request by which a page fetches itself anew."""

    def handle(route: Route) -> None:
        if ANEW in route.request.headers and not held:
            held.append(route)
        else:
            route.continue_()

    return handle


def waiting_instance(client: DurableTaskSchedulerClient) -> str:
    """Start an orchestration that waits for the event `delivery`; return its id."""
    instance_id = f"turn-{uuid.uuid4().hex[:8]}"
    client.schedule_new_orchestration(sync_inventory, instance_id=instance_id)
    client.wait_for_orchestration_start(instance_id)
    return instance_id


def test_new_instances_wait_behind_a_button(open_page: Open, stage: Stage) -> None:
    page = open_page("/instances")
    expect(page.locator("#live")).to_have_text("Live")
    first = page.locator(".row-link").first.get_attribute("href")
    client = stage.client()
    client.schedule_new_orchestration(sync_inventory, instance_id=f"new-{uuid.uuid4().hex[:8]}")
    client.close()

    expect(page.locator("#newer")).to_contain_text("newer instance")
    assert page.locator(".row-link").first.get_attribute("href") == first
    with arriving(page):
        page.keyboard.press("r")
    expect(page.locator(".row-link").first).not_to_have_attribute("href", first or "")


def test_values_move_in_place(open_page: Open, stage: Stage) -> None:
    client = stage.client()
    instance_id = waiting_instance(client)
    page = open_page(f"/instances?id={instance_id}")
    expect(page.locator("#live")).to_have_text("Live")
    page.locator("input[name=chosen]").check()

    client.raise_orchestration_event(instance_id, "delivery")

    expect(page.locator(".instances tbody")).to_contain_text("Completed")
    assert page.locator("input[name=chosen]").is_checked()
    client.close()


def test_what_happens_between_a_page_and_its_stream_is_not_lost(stage: Stage, watched: Watched) -> None:
    client = stage.client()
    instance_id = waiting_instance(client)

    def finish_first(route: Route) -> None:
        client.raise_orchestration_event(instance_id, "delivery")
        client.wait_for_orchestration_completion(instance_id, timeout=60)
        route.continue_()

    page = watched.open("about:blank")
    page.route("**/live?*", finish_first, times=1)
    page.goto(f"{stage.url}/h/human_interaction/i/{instance_id}")

    expect(page.locator("h1")).to_contain_text("Completed")
    client.close()


def test_what_happens_while_a_page_is_fetched_anew_is_not_lost(stage: Stage, watched: Watched) -> None:
    client = stage.client()
    instance_id = waiting_instance(client)
    client.suspend_orchestration(instance_id)  # so that what is raised makes one change, and only one
    held: list[Route] = []
    page = watched.open("about:blank")
    page.add_init_script(COUNT_CHANGES)
    page.route("**/i/*", hold_first(held))
    with page.expect_request(lambda request: ANEW in request.headers):
        page.goto(f"{stage.url}/h/human_interaction/i/{instance_id}")
    expect(page.locator("html")).to_have_attribute("data-changes", "1")
    before = held[0].fetch()

    client.raise_orchestration_event(instance_id, "delivery")
    expect(page.locator("html")).not_to_have_attribute("data-changes", "1")
    held[0].fulfill(response=before)

    expect(page.locator("main")).to_contain_text("1 event is kept")
    client.close()


def test_a_row_that_changes_under_a_pressed_button_is_still_clicked(stage: Stage, watched: Watched) -> None:
    client = stage.client()
    instance_id = waiting_instance(client)
    held: list[Route] = []
    page = watched.open("about:blank")
    page.route("**/instances?*", hold_first(held))
    with page.expect_request(lambda request: ANEW in request.headers):
        page.goto(f"{stage.url}/h/human_interaction/instances?id={instance_id}")
    client.raise_orchestration_event(instance_id, "delivery")
    client.wait_for_orchestration_completion(instance_id, timeout=60)

    page.locator("input[name=chosen]").hover()
    page.mouse.down()
    with page.expect_event("requestfinished"):
        held[0].continue_()
    page.mouse.up()

    expect(page.locator("input[name=chosen]")).to_be_checked()
    expect(page.locator(".instances tbody")).to_contain_text("Completed")
    expect(page.locator("input[name=chosen]")).to_be_checked()
    client.close()


def test_a_paused_page_takes_no_answer_that_was_under_way(stage: Stage, watched: Watched) -> None:
    client = stage.client()
    instance_id = waiting_instance(client)
    held: list[Route] = []
    page = watched.open("about:blank")
    page.route("**/i/*", hold_first(held))
    with page.expect_request(lambda request: ANEW in request.headers):
        page.goto(f"{stage.url}/h/human_interaction/i/{instance_id}")
    client.raise_orchestration_event(instance_id, "delivery")
    client.wait_for_orchestration_completion(instance_id, timeout=60)

    page.keyboard.press(".")
    with page.expect_event("requestfinished"):
        held[0].continue_()

    page.evaluate("new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)))")
    expect(page.locator("#live")).to_have_text("Paused")
    assert "Running" in (page.locator("h1").text_content() or "")
    client.close()


def test_keys_move_open_select_and_change_tabs(open_page: Open) -> None:
    page = open_page("/instances?status=completed")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("input[name=chosen]").nth(1)).to_be_checked()
    with arriving(page, "/i/"):
        page.keyboard.press("Enter")
    with arriving(page, "/history$"):
        page.keyboard.press("2")
    page.keyboard.press("/")
    page.keyboard.type("po-1042")
    with arriving(page, "/i/po-1042$"):
        page.keyboard.press("Enter")
    with arriving(page, "/help$"):
        page.keyboard.press("?")
    expect(page.locator("h1")).to_have_text("Help")


def test_keys_can_be_switched_off_and_on_again(open_page: Open, stage: Stage) -> None:
    page = open_page("//help")
    for is_on in (False, True):
        page.goto(f"{stage.url}/help")
        page.locator("#keys-toggle").click()
        page.goto(f"{stage.url}/h/human_interaction/instances")

        page.keyboard.press("f")

        # The key has been dealt with by now: what is so at once stays so.
        expect(page.locator("[data-search]:focus")).to_have_count(int(is_on))


def test_a_drag_over_the_timeline_zooms(open_page: Open) -> None:
    page = open_page("/i/po-1042/timeline")
    page.keyboard.press(".")  # paused: nothing is replaced while its place is measured
    expect(page.locator("#live")).to_have_text("Paused")
    lane = page.locator("tbody svg.lane").nth(1).bounding_box()
    assert lane is not None

    page.mouse.move(lane["x"] + 60, lane["y"] + 10)
    page.mouse.down()
    page.mouse.move(lane["x"] + 300, lane["y"] + 10, steps=4)
    with arriving(page, "from=.*&to="):
        page.mouse.up()

    with arriving(page, r"/timeline\??$"):
        page.keyboard.press("0")


def test_the_slowest_of_a_crowd_are_shown_and_hidden_again(open_page: Open) -> None:
    page = open_page("/i/photos-2026-11-21/timeline")
    expect(page.locator("h1")).to_contain_text("Completed")
    rows = page.locator("#timeline tbody tr")
    before = rows.count()

    with arriving(page, "slow="):
        page.get_by_role("link", name="Show the 20 slowest").click()

    expect(rows).to_have_count(before + 20)
    with arriving(page):
        page.get_by_role("link", name="Hide the 20 slowest").click()
    expect(rows).to_have_count(before)


def test_an_event_of_a_child_opens_in_the_history_of_all(open_page: Open) -> None:
    page = open_page("/i/orders-2026-11-21/history")
    with arriving(page, "kids=1"):
        page.get_by_role("link", name="Show children’s events").click()
    page.fill("input[name=q]", "insufficient")
    with arriving(page, "kids=1.*q=insufficient"):
        page.keyboard.press("Enter")

    with arriving(page):
        page.get_by_role("link", name="Open event 6 of batch-77:0003").click()

    expect(page.locator("tr.opened")).to_contain_text("CardDeclined")
    with arriving(page):
        page.get_by_role("link", name="charge_order batch-77:0003").first.click()
    expect(page.locator("h1")).to_contain_text("batch-77:0003")


def test_a_failed_child_is_open_on_its_ancestors_page_and_the_others_open_with_one_click(
    open_page: Open,
) -> None:
    page = open_page("/i/orders-2026-11-21/data?kids=1", java_script_enabled=False)
    expect(page.locator("#descendants details[open]")).to_have_count(1)
    expect(page.locator("#descendants details[open]").first).to_contain_text("CardDeclined")

    with arriving(page, "open=all"):
        page.get_by_role("link", name="Open all").click()

    expect(page.locator("#descendants > details[open]")).to_have_count(6)


def test_a_step_opens_below_the_table_and_escape_closes_it(open_page: Open) -> None:
    page = open_page("/i/po-1042")
    with arriving(page, "step="):
        page.get_by_role("link", name="check_budget").click()
    expect(page.locator("#step-detail")).to_contain_text("Attempt 2")
    with arriving(page):
        page.keyboard.press("Escape")
    expect(page.locator("#step-detail")).not_to_contain_text("Attempt 2")


def test_a_tree_keeps_every_digit(open_page: Open, stage: Stage) -> None:
    client = stage.client()
    instance_id = f"digits-{uuid.uuid4().hex[:8]}"
    client.schedule_new_orchestration(
        "sync_inventory", input={"big": 9007199254740993, "deep": {"x": [1.50]}}, instance_id=instance_id
    )
    client.close()

    page = open_page(f"/i/{instance_id}/data")

    expect(page.locator("pre.tree")).to_contain_text("9007199254740993")
    page.get_by_role("button", name="Text").first.click()
    expect(page.locator("pre[data-json]").first).to_contain_text('{"big": 9007199254740993')


def test_the_theme_stays(open_page: Open) -> None:
    page = open_page("/instances", color_scheme="light")
    page.locator("#theme").click()
    page.locator("#theme").click()
    page.reload()

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 17)"


def test_local_time_is_a_switch(open_page: Open) -> None:
    page = open_page("/instances", timezone_id="Asia/Tokyo")
    before = page.locator("tbody time").first.text_content()
    page.locator("#zone").click()
    expect(page.locator("tbody time").first).not_to_have_text(before or "")
    page.locator("#zone").click()
    expect(page.locator("tbody time").first).to_have_text(before or "")


def test_hostile_names_and_payloads_are_only_text(open_page: Open, stage: Stage) -> None:
    client = stage.client()
    instance_id = f"id/with . ~ % ? # & {uuid.uuid4().hex[:6]}"
    client.schedule_new_orchestration(
        HOSTILE, input={HOSTILE: HOSTILE}, instance_id=instance_id, tags={"k": HOSTILE}
    )
    client.close()
    page = open_page("/instances?status=pending")

    with arriving(page, "/i/"):
        page.locator(".row-link", has_text="x</script>").click()
    expect(page.locator("h1")).to_contain_text("x</script>")
    for tab in ("2", "3", "4", "5", "1"):
        with arriving(page):
            page.keyboard.press(tab)
        expect(page.locator("h1")).to_contain_text("x</script>")
        assert page.title() != "owned"
        assert page.locator("main img").count() == 0
        assert "\u202e" not in (page.locator("main").text_content() or "")


def test_mermaid_can_read_every_sequence(open_page: Open, stage: Stage, mermaid: str) -> None:
    client = stage.client()
    client.schedule_new_orchestration(HOSTILE, input=HOSTILE, instance_id='mermaid; end #1 "%%')
    client.close()
    page = open_page("/instances")
    base = f"{stage.url}/h/human_interaction/i"
    ids = ["po-1042", "charge-1041", "photos-2026-11-21", "batch-77", text.segment('mermaid; end #1 "%%')]
    told = [page.request.get(f"{base}/{each}/sequence.mmd?kids=1").text() for each in ids]
    page.goto("about:blank")
    page.add_script_tag(content=mermaid)

    for each in told:
        assert page.evaluate("text => mermaid.parse(text)", each)["diagramType"] == "sequence"


def test_the_command_follows_the_fields(open_page: Open) -> None:
    page = open_page("/i/po-1042/raise?event=approval")
    shown = page.locator("[data-same] pre:not([hidden])")

    page.fill("#field-payload", '{"approved": false}')

    expect(shown).to_contain_text('{"approved": false}')
    page.get_by_role("button", name="Python").click()
    expect(shown).to_contain_text("raise_orchestration_event")


def test_nothing_is_blank_when_the_scheduler_stops_and_all_is_well_when_it_is_back(watched: Watched) -> None:
    watched.expected = UNREACHABLE
    with staged(files=2) as stage:
        page = watched.open(f"{stage.url}/h/human_interaction/i/po-1042")
        expect(page.locator("#live")).to_have_text("Live")

        stage.stop_scheduler()
        expect(page.locator("#gone")).to_contain_text("does not answer")
        expect(page.locator("#live")).to_have_text("No answer")
        expect(page.locator("#timeline")).to_contain_text("check_budget")

        stage.raise_curtain()
        expect(page.locator("#gone")).to_contain_text("Back after")
        expect(page.locator("#live")).to_have_text("Live")


def test_a_read_only_dashboard_offers_nothing_to_do(watched: Watched) -> None:
    watched.expected = UNREACHABLE  # at the end
    with staged("--read-only", files=2) as stage:
        page = watched.open(f"{stage.url}/h/human_interaction/instances")
        expect(page.locator(".badge")).to_have_text("Read-only")
        assert page.locator("a[data-dialog], button[name=act]").count() == 0
        page.goto(f"{stage.url}/h/human_interaction/i/po-1042")
        assert page.locator("a[data-dialog]").count() == 0
