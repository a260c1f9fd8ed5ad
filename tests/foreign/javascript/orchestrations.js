// What the JavaScript worker runs: one orchestration per scenario, and the few activities they share.
"use strict";

const { RetryPolicy, whenAll, whenAny } = require("@microsoft/durabletask-js");

/** How often an activity ran, by the key its input carries; scenarios read it. */
const runs = new Map();

function count(key) {
  runs.set(key, (runs.get(key) ?? 0) + 1);
  return runs.get(key);
}

const activities = {
  addOne: async (_, value) => value + 1,
  square: async (_, value) => value * value,
  echo: async (_, value) => value,
  now: async () => Date.now(),
  fail: async (_, message) => {
    throw new RangeError(message);
  },
  /** Fails until it was called `failures` times with this key. */
  flaky: async (_, { key, failures }) => {
    const run = count(key);
    if (run <= failures) throw new Error(`attempt ${run}`);
    return run;
  },
  counted: async (_, key) => count(key),
};

const threeAttempts = new RetryPolicy({ maxNumberOfAttempts: 3, firstRetryIntervalInMilliseconds: 50 });

const orchestrations = {
  async *chain(ctx, value) {
    for (let step = 0; step < 3; step++) value = yield ctx.callActivity("addOne", value);
    return value;
  },
  async *payloads(ctx, values) {
    const answers = [];
    for (const value of values) answers.push(yield ctx.callActivity("echo", value));
    return answers;
  },
  async *fanOut(ctx, width) {
    const tasks = Array.from({ length: width }, (_, index) => ctx.callActivity("square", index));
    return yield whenAll(tasks);
  },
  async *timer(ctx, seconds) {
    const began = ctx.currentUtcDateTime.getTime();
    yield ctx.createTimer(seconds);
    return ctx.currentUtcDateTime.getTime() - began;
  },
  async *timerRace(ctx) {
    const slow = ctx.createTimer(3600);
    const quick = ctx.callActivity("addOne", 1);
    const winner = yield whenAny([slow, quick]);
    return winner === quick ? quick.getResult() : "the timer won";
  },
  async *oneEvent(ctx, name) {
    return yield ctx.waitForExternalEvent(name);
  },
  async *eventsAfterGate(ctx, number) {
    yield ctx.waitForExternalEvent("gate");
    const received = [];
    for (let event = 0; event < number; event++) received.push(yield ctx.waitForExternalEvent("item"));
    return received;
  },
  async *eventTimeout(ctx) {
    const slow = ctx.waitForExternalEvent("never");
    const limit = ctx.createTimer(0.2);
    if ((yield whenAny([slow, limit])) !== limit) return "the first wait did not end by its limit";
    const quick = ctx.waitForExternalEvent("go");
    const winner = yield whenAny([quick, ctx.createTimer(3600)]);
    return winner === quick ? quick.getResult() : "the second wait ended by its limit";
  },
  async *sender(ctx, target) {
    ctx.sendEvent(target, "hello", { from: "sender" });
    return "sent";
  },
  async *activityFails(ctx, message) {
    return yield ctx.callActivity("fail", message);
  },
  async *catches(ctx, message) {
    try {
      yield ctx.callActivity("fail", message);
    } catch (error) {
      return { type: error.details.errorType, message: error.details.message };
    }
    return "nothing was thrown";
  },
  async *retries(ctx, key) {
    return yield ctx.callActivity("flaky", { key, failures: 2 }, { retry: threeAttempts });
  },
  async *retryHandler(ctx, key) {
    const handler = (retry) => retry.lastAttemptNumber < 3 && retry.lastFailure.errorMessage !== "give up";
    return yield ctx.callActivity("flaky", { key, failures: 2 }, { retry: handler });
  },
  async *unknownActivity(ctx) {
    return yield ctx.callActivity("nobodyHasThis", 1);
  },
  async *parent(ctx, childId) {
    return yield ctx.callSubOrchestrator("chain", 10, { instanceId: childId });
  },
  async *parentOfFailure(ctx, message) {
    return yield ctx.callSubOrchestrator("activityFails", message);
  },
  async *childFlaky(ctx, key) {
    return yield ctx.callActivity("flaky", { key, failures: 2 });
  },
  async *parentRetries(ctx, key) {
    return yield ctx.callSubOrchestrator("childFlaky", key, { retry: threeAttempts });
  },
  async *parentWaits(ctx, childId) {
    return yield ctx.callSubOrchestrator("oneEvent", "never", { instanceId: childId });
  },
  async *countUp(ctx, value) {
    const next = yield ctx.callActivity("addOne", value);
    if (next < 5) {
      ctx.continueAsNew(next, true);
      return undefined;
    }
    return next;
  },
  async *collect(ctx, received) {
    const item = yield ctx.waitForExternalEvent("item");
    const all = [...received, item];
    if (all.length < 3) {
      ctx.continueAsNew(all, true);
      return undefined;
    }
    return all;
  },
  async *status(ctx) {
    ctx.setCustomStatus({ stage: "waiting" });
    yield ctx.waitForExternalEvent("go");
    ctx.setCustomStatus({ stage: "done" });
    return "done";
  },
  async *startsAt(ctx) {
    return yield ctx.callActivity("now");
  },
  async *failsOnce(ctx, key) {
    const first = yield ctx.callActivity("counted", `${key}-good`);
    const second = yield ctx.callActivity("flaky", { key, failures: 1 });
    return [first, second];
  },
  async *versions(ctx) {
    return [ctx.version, yield ctx.callSubOrchestrator("ownVersion", null, { version: "1.2" })];
  },
  async *ownVersion(ctx) {
    return ctx.version;
  },
  async *twoHalves(ctx) {
    const first = yield ctx.callActivity("addOne", 1);
    ctx.setCustomStatus("half way");
    yield ctx.waitForExternalEvent("go");
    return yield ctx.callActivity("addOne", first);
  },
};

/** Register the named functions, or all. */
function register(worker, names = [...Object.keys(orchestrations), ...Object.keys(activities)]) {
  for (const name of names) {
    if (name in orchestrations) worker.addNamedOrchestrator(name, orchestrations[name]);
    else worker.addNamedActivity(name, activities[name]);
  }
}

module.exports = { register, runs };
