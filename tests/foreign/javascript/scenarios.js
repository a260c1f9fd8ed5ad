// The scenarios of catalogue.py, each as a function that throws when something is not as it should be.
"use strict";

const assert = require("node:assert/strict");
const {
  OrchestrationStatus: Status,
  PurgeInstanceCriteria,
  terminateOptions,
  VersionFailureStrategy,
  VersionMatchStrategy,
} = require("@microsoft/durabletask-js");
const { runs } = require("./orchestrations");

const ALREADY_EXISTS = 6;

async function completed(client, id) {
  const state = await client.waitForOrchestrationCompletion(id, true, 45);
  const failure = state.failureDetails && `${state.failureDetails.errorType}: ${state.failureDetails.message}`;
  assert.equal(Status[state.runtimeStatus], "COMPLETED", failure);
  return state.serializedOutput === undefined ? undefined : JSON.parse(state.serializedOutput);
}

async function output(client, name, input, options) {
  return completed(client, await client.scheduleNewOrchestration(name, input, options));
}

async function until(what, holds) {
  for (const limit = Date.now() + 30_000; !(await holds()); ) {
    assert.ok(Date.now() < limit, `30 seconds passed without: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function untilStatus(client, id, status) {
  await until(`${id} is ${Status[status]}`, async () => {
    return (await client.getOrchestrationState(id, false))?.runtimeStatus === status;
  });
}

async function listed(pageable) {
  const ids = [];
  for await (const state of pageable) ids.push(state.instanceId);
  return ids.sort();
}

const scenarios = {
  async chain({ client }) {
    assert.equal(await output(client, "chain", 1), 4);
  },

  async payloads({ client }) {
    const values = [null, "", 0, false, [], {}, "Grüße, 世界 🌍", { nested: { list: [1, null, "x"] } }, "x".repeat(200_000)];
    assert.deepEqual(await output(client, "payloads", values), values);
  },

  async "fan-out"({ client }) {
    assert.deepEqual(await output(client, "fanOut", 100), Array.from({ length: 100 }, (_, index) => index * index));
  },

  async timer({ client }) {
    const began = Date.now();
    const measured = await output(client, "timer", 1);
    assert.ok(measured >= 1000, `the orchestration's clock moved by ${measured} ms only`);
    assert.ok(Date.now() - began >= 1000);
  },

  async "timer-race"({ client }) {
    assert.equal(await output(client, "timerRace"), 2);
  },

  async "external-event"({ client }) {
    const id = await client.scheduleNewOrchestration("oneEvent", "Approval");
    await untilStatus(client, id, Status.RUNNING);
    await client.raiseOrchestrationEvent(id, "Approval", { by: "Ada" });
    assert.deepEqual(await completed(client, id), { by: "Ada" });
  },

  async "early-events"({ client }) {
    const id = await client.scheduleNewOrchestration("eventsAfterGate", 3);
    for (const item of [1, 2, 3]) await client.raiseOrchestrationEvent(id, "item", item);
    await client.raiseOrchestrationEvent(id, "gate");
    assert.deepEqual(await completed(client, id), [1, 2, 3]);
  },

  async "event-timeout"({ client }) {
    const id = await client.scheduleNewOrchestration("eventTimeout");
    await client.raiseOrchestrationEvent(id, "go", "in time");
    assert.equal(await completed(client, id), "in time");
  },

  async "send-event"({ client }) {
    const target = await client.scheduleNewOrchestration("oneEvent", "hello");
    assert.equal(await output(client, "sender", target), "sent");
    assert.deepEqual(await completed(client, target), { from: "sender" });
  },

  async "activity-failure"({ client }) {
    const caught = await output(client, "catches", "out of range");
    assert.deepEqual(caught, { type: "RangeError", message: "out of range" });
    const id = await client.scheduleNewOrchestration("activityFails", "out of range");
    const state = await client.waitForOrchestrationCompletion(id, true, 45);
    assert.equal(Status[state.runtimeStatus], "FAILED");
    assert.match(state.failureDetails.message, /out of range/);
  },

  async "activity-retry"({ client, unique }) {
    assert.equal(await output(client, "retries", unique("retry")), 3);
  },

  async "retry-handler"({ client, unique }) {
    assert.equal(await output(client, "retryHandler", unique("handler")), 3);
  },

  async "unknown-activity"({ client }) {
    const id = await client.scheduleNewOrchestration("unknownActivity");
    const state = await client.waitForOrchestrationCompletion(id, true, 45);
    assert.equal(Status[state.runtimeStatus], "FAILED");
    assert.match(state.failureDetails.message, /nobodyHasThis/);
  },

  async "sub-orchestration"({ client, unique }) {
    const child = unique("child");
    assert.equal(await output(client, "parent", child), 13);
    assert.equal(await completed(client, child), 13);
  },

  async "sub-orchestration-failure"({ client }) {
    const id = await client.scheduleNewOrchestration("parentOfFailure", "deep trouble");
    const state = await client.waitForOrchestrationCompletion(id, true, 45);
    assert.equal(Status[state.runtimeStatus], "FAILED");
    assert.match(state.failureDetails.message, /deep trouble/);
  },

  async "sub-orchestration-retry"({ client, unique }) {
    assert.equal(await output(client, "parentRetries", unique("child-retry")), 3);
  },

  async "continue-as-new"({ client }) {
    const id = await client.scheduleNewOrchestration("countUp", 0);
    assert.equal(await completed(client, id), 5);
    assert.equal((await client.getOrchestrationState(id, true)).serializedInput, "4");
  },

  async "carry-over"({ client }) {
    const id = await client.scheduleNewOrchestration("collect", []);
    for (const item of ["a", "b", "c"]) await client.raiseOrchestrationEvent(id, "item", item);
    assert.deepEqual(await completed(client, id), ["a", "b", "c"]);
  },

  async "custom-status"({ client }) {
    const id = await client.scheduleNewOrchestration("status");
    const custom = async () => (await client.getOrchestrationState(id, true)).serializedCustomStatus;
    await until("the status is waiting", async () => (await custom()) === '{"stage":"waiting"}');
    await client.raiseOrchestrationEvent(id, "go");
    await completed(client, id);
    assert.equal(await custom(), '{"stage":"done"}');
  },

  async "suspend-resume"({ client }) {
    const id = await client.scheduleNewOrchestration("oneEvent", "go");
    await untilStatus(client, id, Status.RUNNING);
    await client.suspendOrchestration(id);
    await untilStatus(client, id, Status.SUSPENDED);
    await client.raiseOrchestrationEvent(id, "go", "kept");
    await output(client, "chain", 1); // time enough for the event to be handled, were it not held
    assert.equal((await client.getOrchestrationState(id)).runtimeStatus, Status.SUSPENDED);
    await client.resumeOrchestration(id);
    assert.equal(await completed(client, id), "kept");
  },

  async terminate({ client }) {
    const id = await client.scheduleNewOrchestration("oneEvent", "never");
    await untilStatus(client, id, Status.RUNNING);
    await client.terminateOrchestration(id, { because: "enough" });
    const state = await client.waitForOrchestrationCompletion(id, true, 45);
    assert.equal(Status[state.runtimeStatus], "TERMINATED");
    assert.deepEqual(JSON.parse(state.serializedOutput), { because: "enough" });
  },

  async "terminate-children"({ client, unique }) {
    const child = unique("child");
    const parent = await client.scheduleNewOrchestration("parentWaits", child);
    await untilStatus(client, child, Status.RUNNING);
    await client.terminateOrchestration(parent, terminateOptions({ output: "all", recursive: true }));
    for (const id of [parent, child]) {
      const state = await client.waitForOrchestrationCompletion(id, true, 45);
      assert.equal(Status[state.runtimeStatus], "TERMINATED", id);
    }
  },

  async "duplicate-id"({ client, unique }) {
    const id = await client.scheduleNewOrchestration("oneEvent", "never", unique("duplicate"));
    await assert.rejects(client.scheduleNewOrchestration("chain", 1, id), { code: ALREADY_EXISTS });
    await client.terminateOrchestration(id);
  },

  async "missing-instance"({ client, unique }) {
    assert.equal(await client.getOrchestrationState(unique("missing")), undefined);
  },

  async "scheduled-start"({ client }) {
    const startAt = new Date(Date.now() + 1500);
    const id = await client.scheduleNewOrchestration("startsAt", undefined, { startAt });
    assert.equal((await client.getOrchestrationState(id)).runtimeStatus, Status.PENDING);
    assert.ok((await completed(client, id)) >= startAt.getTime());
  },

  async query({ client, unique }) {
    const instanceIdPrefix = unique("query");
    const ids = Array.from({ length: 7 }, (_, index) => `${instanceIdPrefix}-${index}`);
    for (const id of ids) await client.scheduleNewOrchestration("chain", 1, id);
    for (const id of ids) await completed(client, id);
    const statuses = [Status.COMPLETED];
    assert.deepEqual(await listed(client.getAllInstances({ instanceIdPrefix, statuses, pageSize: 3 })), ids);
    assert.deepEqual(await listed(client.getAllInstances({ instanceIdPrefix, statuses: [Status.FAILED] })), []);
  },

  async "list-ids"({ newClient, newWorker }) {
    const { client, close } = await session(newClient, newWorker, "list-ids");
    const ids = ["one", "three", "two"];
    for (const id of ids) await client.scheduleNewOrchestration("chain", 1, id);
    for (const id of ids) await completed(client, id);
    const found = [];
    for (let page, lastInstanceKey; !page || page.hasMoreResults; lastInstanceKey = page.continuationToken) {
      page = await client.listInstanceIds({ pageSize: 2, lastInstanceKey, runtimeStatus: [Status.COMPLETED] });
      found.push(...page.values);
    }
    assert.deepEqual(found.sort(), ids);
    await close();
  },

  async purge({ client }) {
    const id = await client.scheduleNewOrchestration("chain", 1);
    await completed(client, id);
    assert.equal((await client.purgeOrchestration(id)).deletedInstanceCount, 1);
    assert.equal(await client.getOrchestrationState(id), undefined);
    assert.equal((await client.purgeOrchestration(id)).deletedInstanceCount, 0);
  },

  async "purge-many"({ newClient, newWorker }) {
    const { client, close } = await session(newClient, newWorker, "purge-many");
    const began = new Date(Date.now() - 1000);
    for (let index = 0; index < 4; index++) await output(client, "chain", index);
    const waiting = await client.scheduleNewOrchestration("oneEvent", "never");
    const criteria = new PurgeInstanceCriteria();
    criteria.setCreatedTimeFrom(began);
    criteria.setRuntimeStatusList([Status.COMPLETED]);
    assert.equal((await client.purgeOrchestration(criteria)).deletedInstanceCount, 4);
    assert.deepEqual(await listed(client.getAllInstances({})), [waiting]);
    await close();
  },

  async restart({ client }) {
    const id = await client.scheduleNewOrchestration("chain", 20);
    await completed(client, id);
    assert.equal(await client.restartOrchestration(id), id);
    assert.equal(await completed(client, id), 23);
    const other = await client.restartOrchestration(id, true);
    assert.notEqual(other, id);
    assert.equal(await completed(client, other), 23);
  },

  async rewind({ client, unique }) {
    const key = unique("rewind");
    const id = await client.scheduleNewOrchestration("failsOnce", key);
    await untilStatus(client, id, Status.FAILED);
    await client.rewindInstance(id, "the cause is gone");
    assert.deepEqual(await completed(client, id), [1, 2]);
    assert.equal(runs.get(`${key}-good`), 1, "an activity that had succeeded ran again");
  },

  async history({ client }) {
    const id = await client.scheduleNewOrchestration("chain", 1);
    await completed(client, id);
    const types = (await client.getOrchestrationHistory(id)).map((event) => event.type);
    assert.deepEqual(types.slice(0, 4), [
      "OrchestratorStarted",
      "ExecutionStarted",
      "TaskScheduled",
      "OrchestratorCompleted",
    ]);
    assert.equal(types.filter((type) => type === "TaskCompleted").length, 3);
    assert.equal(types.at(-1), "ExecutionCompleted");
  },

  async tags({ client }) {
    const tags = { owner: "Ada", empty: "" };
    const id = await client.scheduleNewOrchestration("chain", 1, { tags });
    await completed(client, id);
    assert.deepEqual((await client.getOrchestrationState(id)).tags, tags);
  },

  async versioning({ client, newClient, newWorker }) {
    assert.deepEqual(await output(client, "versions", null, { version: "2.0" }), ["2.0", "1.2"]);
    const { client: strict, close } = await session(newClient, newWorker, "versioning", {
      versioning: {
        version: "1.0.0",
        matchStrategy: VersionMatchStrategy.Strict,
        failureStrategy: VersionFailureStrategy.Fail,
      },
    });
    assert.equal(await output(strict, "chain", 1, { version: "1.0.0" }), 4);
    const id = await strict.scheduleNewOrchestration("chain", 1, { version: "2.0.0" });
    const state = await strict.waitForOrchestrationCompletion(id, true, 45);
    assert.equal(Status[state.runtimeStatus], "FAILED");
    assert.equal(state.failureDetails.errorType, "VersionMismatch");
    await close();
  },

  async "work-item-filters"({ newClient, newWorker }) {
    const client = newClient("filters");
    const options = { workItemFilters: "auto" };
    const workers = [
      newWorker("filters", options, ["chain", "addOne"]),
      newWorker("filters", options, ["fanOut", "square"]),
    ];
    for (const worker of workers) await worker.start();
    const starts = [1, 2, 3, 4].flatMap(() => [output(client, "chain", 1), output(client, "fanOut", 2)]);
    assert.deepEqual(await Promise.all(starts), [1, 2, 3, 4].flatMap(() => [4, [0, 1]]));
    for (const worker of workers) await worker.stop();
    await client.stop();
  },

  async "two-hubs"({ client, newClient, newWorker, unique }) {
    const { client: other, close } = await session(newClient, newWorker, "other");
    const id = unique("same-id");
    await client.scheduleNewOrchestration("chain", 1, id);
    await other.scheduleNewOrchestration("chain", 100, id);
    assert.equal(await completed(client, id), 4);
    assert.equal(await completed(other, id), 103);
    assert.deepEqual(await listed(other.getAllInstances({})), [id]);
    await close();
  },

  async "worker-restart"({ newClient, newWorker }) {
    const client = newClient("worker-restart");
    const first = newWorker("worker-restart");
    await first.start();
    const id = await client.scheduleNewOrchestration("twoHalves");
    await until("the first half is over", async () => {
      return (await client.getOrchestrationState(id, true)).serializedCustomStatus === '"half way"';
    });
    await first.stop();
    await client.raiseOrchestrationEvent(id, "go");
    const second = newWorker("worker-restart");
    await second.start();
    assert.equal(await completed(client, id), 3);
    await second.stop();
    await client.stop();
  },
};

/** A client and a worker with a task hub of their own. */
async function session(newClient, newWorker, hub, options) {
  const client = newClient(hub);
  const worker = newWorker(hub, options);
  await worker.start();
  const close = async () => {
    await worker.stop();
    await client.stop();
  };
  return { client, close };
}

module.exports = { scenarios };
