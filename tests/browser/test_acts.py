"""What a person does: each act through its form or dialog, by keyboard, and while others act too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from durakit.azuremanaged.client import DurableTaskSchedulerClient
from playwright.sync_api import Page, expect
from stage import Stage, purchase_order, sync_inventory

from .conftest import Open, Watched, arriving


@pytest.fixture
def client(stage: Stage) -> Iterator[DurableTaskSchedulerClient]:
    client = stage.client()
    yield client
    client.close()


@pytest.fixture
def order(client: DurableTaskSchedulerClient) -> str:
    """An order of its own that waits for its approval."""
    instance_id = f"order-{uuid.uuid4().hex[:8]}"
    client.schedule_new_orchestration(
        purchase_order, input={"order_id": instance_id, "amount": 1}, instance_id=instance_id
    )
    client.wait_for_orchestration_start(instance_id)
    return instance_id


def status(client: DurableTaskSchedulerClient, instance_id: str) -> str:
    state = client.get_orchestration_state(instance_id)
    assert state is not None
    return state.runtime_status.name


def status_of(page: Page, word: str) -> None:
    expect(page.locator("h1")).to_contain_text(word)


def confirm(page: Page, address: str = "/i/[^/]+$") -> None:
    """Send the form in the dialog, which leads to `address`."""
    with arriving(page, address):
        page.locator("dialog button[type=submit]").click()


def test_an_approval_is_given_in_the_dashboard_and_followed_to_its_end(open_page: Open, order: str) -> None:
    page = open_page(f"/i/{order}")
    expect(page.locator("#timeline")).to_contain_text("request_approval")

    page.locator(".why a[href*='/raise'], #act-raise").first.click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("approval")
    dialog.locator("textarea").fill('{"approved": true}')
    expect(dialog).to_contain_text("valid JSON")
    with arriving(page, "/i/[^/]+$"):
        dialog.get_by_role("button", name="Raise event").click()

    status_of(page, "Completed")
    expect(page.locator("#timeline")).to_contain_text("approval")


def test_a_running_instance_is_suspended_resumed_terminated_restarted_and_purged(
    open_page: Open, watched: Watched, order: str
) -> None:
    # A purged instance's page may hear of the change, and ask for itself, before it is left.
    watched.expected = ("404",)
    page = open_page(f"/i/{order}")
    for act, word in (("suspend", "Suspended"), ("resume", "Running"), ("terminate", "Terminated")):
        page.locator(f"#act-{act}").click()
        page.locator("dialog #field-reason").fill(f"because of {act}")
        confirm(page)
        status_of(page, word)
    expect(page.locator("#why")).to_contain_text("because of terminate")

    page.locator("#act-restart").click()
    confirm(page)
    status_of(page, "Running")

    page.locator("#act-terminate").click()
    confirm(page)
    status_of(page, "Terminated")
    page.locator("#act-purge").click()
    confirm(page, "/instances$")


def test_a_failed_instance_is_rewound(open_page: Open, client: DurableTaskSchedulerClient) -> None:
    instance_id = f"charge-{uuid.uuid4().hex[:8]}"
    client.schedule_new_orchestration("charge_order", input={}, instance_id=instance_id)
    client.wait_for_orchestration_completion(instance_id, timeout=60)
    page = open_page(f"/i/{instance_id}")
    status_of(page, "Failed")

    # To the nanosecond: it may be rewound within the second that is shown.
    last_turn = page.locator("#facts time").last.get_attribute("datetime") or ""
    page.locator("#act-rewind").click()
    confirm(page)

    expect(page.locator("#facts time").last).not_to_have_attribute("datetime", last_turn)


def test_an_orchestration_is_started_and_a_mistake_in_its_input_is_told(open_page: Open) -> None:
    page = open_page("/instances")
    page.keyboard.press("n")
    dialog = page.locator("dialog")
    dialog.locator("#field-name").fill("sync_inventory")
    instance_id = f"new-{uuid.uuid4().hex[:8]}"
    dialog.locator("#field-id").fill(instance_id)
    dialog.locator("#field-input").fill('{"a": 1\n"b": 2}')
    expect(dialog).to_contain_text("Line 2: a comma is missing before")
    dialog.locator("#field-input").fill('{"a": 1}')

    with arriving(page, f"/h/human_interaction/i/{instance_id}$"):
        dialog.locator("#field-input").press("Control+Enter")

    status_of(page, "Running")


def test_a_form_without_script_starts_an_orchestration(open_page: Open) -> None:
    page = open_page("/instances/start", java_script_enabled=False)
    instance_id = f"plain-{uuid.uuid4().hex[:8]}"
    page.fill("#field-name", "sync_inventory")
    page.fill("#field-id", instance_id)

    with arriving(page, f"/i/{instance_id}$"):
        page.click("button[type=submit]:has-text('Start')")

    assert "sync_inventory" in (page.locator("h1").text_content() or "")


def test_a_taken_id_is_told_in_the_form_and_nothing_is_lost(open_page: Open, watched: Watched) -> None:
    watched.expected = ("409",)
    page = open_page("/instances/start", java_script_enabled=False)
    page.fill("#field-name", "sync_inventory")
    page.fill("#field-id", "inv-eu-3")
    page.fill("#field-input", '{"keep": "me"}')

    with arriving(page):
        page.click("button[type=submit]:has-text('Start')")

    assert "inv-eu-3" in (page.locator(".wrong").first.text_content() or "")
    assert page.input_value("#field-input") == '{"keep": "me"}'


def test_an_act_that_comes_too_late_is_told_and_changes_nothing(
    open_page: Open, watched: Watched, order: str, client: DurableTaskSchedulerClient
) -> None:
    watched.expected = ("409",)
    page = open_page(f"/i/{order}/terminate", java_script_enabled=False)
    client.raise_orchestration_event(order, "approval")
    client.wait_for_orchestration_completion(order, timeout=60)

    with arriving(page):
        page.click("button[type=submit]:has-text('Terminate')")

    assert "completed" in (page.locator("main").text_content() or "").lower()
    assert status(client, order) == "COMPLETED"


def test_a_selection_is_suspended_together(open_page: Open, client: DurableTaskSchedulerClient) -> None:
    ids = [f"many-{uuid.uuid4().hex[:8]}" for _ in range(3)]
    for instance_id in ids:
        client.schedule_new_orchestration(sync_inventory, instance_id=instance_id)
        client.wait_for_orchestration_start(instance_id)
    page = open_page("/instances?id=many-")
    expect(page.locator("#bulk")).to_be_hidden()

    page.locator("#pick-all").check()
    expect(page.locator("#chosen")).to_contain_text("selected")
    with arriving(page, "act=suspend"):
        page.locator("#bulk button[value=suspend]").click()
    expect(page.locator("main")).to_contain_text(ids[0])
    with arriving(page, "job="):
        page.locator("button[type=submit].primary").click()

    expect(page.locator("main")).to_contain_text("finished")
    assert [status(client, instance_id) for instance_id in ids] == ["SUSPENDED"] * 3


def test_a_hub_is_created_and_reset_with_its_name_typed(open_page: Open, stage: Stage) -> None:
    page = open_page("//hubs")
    name = f"hub-{uuid.uuid4().hex[:6]}"
    page.get_by_role("link", name="Create hub").click()
    page.locator("dialog #field-name").fill(name)
    confirm(page, "")
    page.goto(f"{stage.url}/hubs")
    page.get_by_role("link", name=f"Reset hub {name}").click()

    button = page.locator("dialog button[type=submit]")
    expect(button).to_be_disabled()
    page.locator("dialog #field-name").fill(name)
    expect(button).to_be_enabled()
    confirm(page, "")

    expect(page.locator("main")).to_contain_text(name)
