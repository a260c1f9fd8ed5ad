package durakit.foreign;

import static com.microsoft.durabletask.OrchestrationRuntimeStatus.COMPLETED;
import static com.microsoft.durabletask.OrchestrationRuntimeStatus.FAILED;
import static com.microsoft.durabletask.OrchestrationRuntimeStatus.PENDING;
import static com.microsoft.durabletask.OrchestrationRuntimeStatus.RUNNING;
import static com.microsoft.durabletask.OrchestrationRuntimeStatus.SUSPENDED;
import static com.microsoft.durabletask.OrchestrationRuntimeStatus.TERMINATED;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.NewOrchestrationInstanceOptions;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.OrchestrationStatusQuery;
import com.microsoft.durabletask.OrchestrationStatusQueryResult;
import com.microsoft.durabletask.PurgeInstanceCriteria;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/** The scenarios of catalogue.py that the Java SDK offers; each throws when something is not as it should be. */
final class Scenarios {
  /** One scenario. */
  interface Scenario {
    void run() throws Exception;
  }

  private static final Duration LIMIT = Duration.ofSeconds(45);
  private static final AtomicInteger GIVEN = new AtomicInteger();

  private final String address;
  private final DurableTaskClient client;

  Scenarios(String address, DurableTaskClient client) {
    this.address = address;
    this.client = client;
  }

  Map<String, Scenario> all() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    all.put("chain", () -> equal(4, output("chain", 1, Integer.class)));
    all.put("payloads", this::payloads);
    all.put("fan-out", this::fanOut);
    all.put("timer", this::timer);
    all.put("timer-race", () -> equal(2, output("timerRace", null, Object.class)));
    all.put("external-event", this::externalEvent);
    all.put("early-events", this::earlyEvents);
    all.put("event-timeout", this::eventTimeout);
    all.put("send-event", this::sendEvent);
    all.put("activity-failure", this::activityFailure);
    all.put("activity-retry", () -> equal(3, output("retries", unique("retry"), Integer.class)));
    all.put("retry-handler", () -> equal(3, output("retryHandler", unique("handler"), Integer.class)));
    all.put("unknown-activity", () -> fails("unknownActivity", "nobodyHasThis"));
    all.put("sub-orchestration", this::subOrchestration);
    all.put("sub-orchestration-failure", () -> fails("parentOfFailure", "out of range"));
    all.put("sub-orchestration-retry", () -> equal(3, output("parentRetries", unique("child"), Integer.class)));
    all.put("continue-as-new", this::continueAsNew);
    all.put("carry-over", this::carryOver);
    all.put("custom-status", this::customStatus);
    all.put("suspend-resume", this::suspendResume);
    all.put("terminate", this::terminate);
    all.put("duplicate-id", this::duplicateId);
    all.put("missing-instance", () -> equal(false, state(client, unique("missing")).isInstanceFound()));
    all.put("scheduled-start", this::scheduledStart);
    all.put("query", this::query);
    all.put("purge", this::purge);
    all.put("purge-many", this::purgeMany);
    all.put("restart", this::restart);
    all.put("two-hubs", this::twoHubs);
    all.put("worker-restart", this::workerRestart);
    return all;
  }

  private void payloads() throws Exception {
    List<Object> values =
        List.of("", 0, false, List.of(), Map.of(), "Grüße, 世界 🌍", Map.of("nested", List.of(1, "x")), "x".repeat(200_000));
    equal(values, output("payloads", values, Object.class));
  }

  private void fanOut() throws Exception {
    List<Integer> squares = IntStream.range(0, 100).map(index -> index * index).boxed().toList();
    equal(squares, output("fanOut", 100, Object.class));
  }

  private void timer() throws Exception {
    int milliseconds = output("timer", null, Integer.class);
    require(milliseconds >= 1000, "the orchestration's clock moved by " + milliseconds + " ms only");
  }

  private void externalEvent() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("oneEvent", "Approval");
    untilStatus(client, id, RUNNING);
    client.raiseEvent(id, "Approval", Map.of("by", "Ada"));
    equal(Map.of("by", "Ada"), completed(client, id, Object.class));
  }

  private void earlyEvents() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("eventsAfterGate");
    for (int item = 1; item <= 3; item++) {
      client.raiseEvent(id, "item", item);
    }
    client.raiseEvent(id, "gate");
    equal(List.of(1, 2, 3), completed(client, id, Object.class));
  }

  private void eventTimeout() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("eventTimeout");
    client.raiseEvent(id, "go", "in time");
    equal("in time", completed(client, id, String.class));
  }

  private void sendEvent() throws Exception {
    String target = client.scheduleNewOrchestrationInstance("oneEvent", "hello");
    equal("sent", output("sender", target, String.class));
    equal(Map.of("from", "sender"), completed(client, target, Object.class));
  }

  private void activityFailure() throws Exception {
    equal("java.lang.IllegalStateException: out of range", output("catches", null, String.class));
    fails("activityFails", "out of range");
  }

  private void subOrchestration() throws Exception {
    String child = unique("child");
    equal(13, output("parent", child, Integer.class));
    equal(13, completed(client, child, Integer.class));
  }

  private void continueAsNew() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("countUp", 0);
    equal(5, completed(client, id, Integer.class));
    equal("4", state(client, id).getSerializedInput());
  }

  private void carryOver() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("collect", List.of());
    untilStatus(client, id, RUNNING);
    client.raiseEvent(id, "second", "b");
    client.raiseEvent(id, "first", "a");
    equal(List.of("a", "b"), completed(client, id, Object.class));
  }

  private void customStatus() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("status");
    until("the status is waiting", () -> "waiting".equals(customStatus(client, id)));
    client.raiseEvent(id, "go");
    completed(client, id, Object.class);
    equal("done", customStatus(client, id));
  }

  private void suspendResume() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("oneEvent", "go");
    untilStatus(client, id, RUNNING);
    client.suspendInstance(id, "a pause");
    untilStatus(client, id, SUSPENDED);
    client.raiseEvent(id, "go", "kept");
    output("chain", 1, Integer.class); // time enough for the event to be handled, were it not held
    equal(SUSPENDED, state(client, id).getRuntimeStatus());
    client.resumeInstance(id, "go on");
    equal("kept", completed(client, id, String.class));
  }

  private void terminate() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("oneEvent", "never");
    untilStatus(client, id, RUNNING);
    client.terminate(id, Map.of("because", "enough"));
    OrchestrationMetadata state = client.waitForInstanceCompletion(id, LIMIT, true);
    equal(TERMINATED, state.getRuntimeStatus());
    equal(Map.of("because", "enough"), state.readOutputAs(Object.class));
  }

  private void duplicateId() {
    String id = client.scheduleNewOrchestrationInstance("oneEvent", "never", unique("duplicate"));
    try {
      client.scheduleNewOrchestrationInstance("chain", 1, id);
      throw new AssertionError("a second instance with the same id was accepted");
    } catch (StatusRuntimeException refusal) {
      equal(Status.Code.ALREADY_EXISTS, refusal.getStatus().getCode());
    }
    client.terminate(id, null);
  }

  private void scheduledStart() throws Exception {
    Instant at = Instant.now().plusMillis(1500);
    String id =
        client.scheduleNewOrchestrationInstance(
            "startsAt", new NewOrchestrationInstanceOptions().setStartTime(at));
    equal(PENDING, state(client, id).getRuntimeStatus());
    require(completed(client, id, Long.class) >= at.toEpochMilli(), "it ran too early");
  }

  private void query() throws Exception {
    String prefix = unique("query");
    List<String> ids = IntStream.range(0, 7).mapToObj(index -> prefix + "-" + index).toList();
    for (String id : ids) {
      client.scheduleNewOrchestrationInstance("chain", 1, id);
    }
    for (String id : ids) {
      completed(client, id, Integer.class);
    }
    equal(ids, listed(client, prefix, COMPLETED));
    equal(List.of(), listed(client, prefix, FAILED));
  }

  private void purge() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("chain", 1);
    completed(client, id, Integer.class);
    equal(1, client.purgeInstance(id).getDeletedInstanceCount());
    equal(false, state(client, id).isInstanceFound());
    equal(0, client.purgeInstance(id).getDeletedInstanceCount());
  }

  private void purgeMany() throws Exception {
    try (Hub hub = new Hub(address, "purge-many")) {
      Instant began = Instant.now().minusSeconds(1);
      for (int index = 0; index < 4; index++) {
        String id = hub.client.scheduleNewOrchestrationInstance("chain", index);
        completed(hub.client, id, Integer.class);
      }
      String waiting = hub.client.scheduleNewOrchestrationInstance("oneEvent", "never");
      untilStatus(hub.client, waiting, RUNNING);
      PurgeInstanceCriteria criteria =
          new PurgeInstanceCriteria().setCreatedTimeFrom(began).setRuntimeStatusList(List.of(COMPLETED));
      equal(4, hub.client.purgeInstances(criteria).getDeletedInstanceCount());
      equal(List.of(waiting), listed(hub.client, "", RUNNING));
    }
  }

  private void restart() throws Exception {
    String id = client.scheduleNewOrchestrationInstance("chain", 20);
    completed(client, id, Integer.class);
    String other = client.restartInstance(id, true);
    require(!other.equals(id), "the restarted instance has the old id");
    equal(23, completed(client, other, Integer.class));
  }

  private void twoHubs() throws Exception {
    try (Hub hub = new Hub(address, "other")) {
      String id = unique("same-id");
      client.scheduleNewOrchestrationInstance("chain", 1, id);
      hub.client.scheduleNewOrchestrationInstance("chain", 100, id);
      equal(4, completed(client, id, Integer.class));
      equal(103, completed(hub.client, id, Integer.class));
      equal(List.of(id), listed(hub.client, "", COMPLETED));
    }
  }

  private void workerRestart() throws Exception {
    String id;
    try (Hub hub = new Hub(address, "worker-restart")) {
      id = hub.client.scheduleNewOrchestrationInstance("twoHalves");
      until("the first half is over", () -> "half way".equals(customStatus(hub.client, id)));
    }
    try (Hub hub = new Hub(address, "worker-restart")) {
      hub.client.raiseEvent(id, "go");
      equal(3, completed(hub.client, id, Integer.class));
    }
  }

  private static String unique(String word) {
    return word + "-" + ProcessHandle.current().pid() + "-" + GIVEN.incrementAndGet();
  }

  private <T> T output(String name, Object input, Class<T> type) throws TimeoutException {
    return completed(client, client.scheduleNewOrchestrationInstance(name, input), type);
  }

  private static <T> T completed(DurableTaskClient client, String id, Class<T> type) throws TimeoutException {
    OrchestrationMetadata state = client.waitForInstanceCompletion(id, LIMIT, true);
    require(state.getRuntimeStatus() == COMPLETED, state.toString());
    return state.readOutputAs(type);
  }

  private void fails(String name, String message) throws TimeoutException {
    String id = client.scheduleNewOrchestrationInstance(name);
    OrchestrationMetadata state = client.waitForInstanceCompletion(id, LIMIT, true);
    equal(FAILED, state.getRuntimeStatus());
    String actual = state.getFailureDetails().getErrorMessage();
    require(actual.contains(message), "the failure's message is: " + actual);
  }

  private static List<String> listed(
      DurableTaskClient client, String prefix, OrchestrationRuntimeStatus status) {
    List<String> ids = new ArrayList<>();
    OrchestrationStatusQuery query =
        new OrchestrationStatusQuery()
            .setInstanceIdPrefix(prefix)
            .setRuntimeStatusList(List.of(status))
            .setMaxInstanceCount(3);
    for (String token = ""; token != null; ) {
      OrchestrationStatusQueryResult page = client.queryInstances(query.setContinuationToken(token));
      page.getOrchestrationState().forEach(state -> ids.add(state.getInstanceId()));
      token = page.getContinuationToken();
      token = token == null || token.isEmpty() ? null : token;
    }
    Collections.sort(ids);
    return ids;
  }

  private static OrchestrationMetadata state(DurableTaskClient client, String id) {
    return client.getInstanceMetadata(id, true);
  }

  private static String customStatus(DurableTaskClient client, String id) {
    OrchestrationMetadata state = state(client, id);
    return state.isCustomStatusFetched() ? state.readCustomStatusAs(String.class) : null;
  }

  private static void untilStatus(DurableTaskClient client, String id, OrchestrationRuntimeStatus status)
      throws InterruptedException {
    until(id + " is " + status, () -> state(client, id).getRuntimeStatus() == status);
  }

  private static void until(String what, BooleanSupplier holds) throws InterruptedException {
    Instant limit = Instant.now().plusSeconds(30);
    while (!holds.getAsBoolean()) {
      require(Instant.now().isBefore(limit), "30 seconds passed without: " + what);
      Thread.sleep(20);
    }
  }

  private static void equal(Object expected, Object actual) {
    require(Objects.equals(expected, actual), "expected " + expected + ", got " + actual);
  }

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }
}
