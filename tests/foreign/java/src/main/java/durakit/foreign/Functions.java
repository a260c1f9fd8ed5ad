package durakit.foreign;

import com.microsoft.durabletask.DurableTaskGrpcWorkerBuilder;
import com.microsoft.durabletask.RetryPolicy;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskActivity;
import com.microsoft.durabletask.TaskActivityFactory;
import com.microsoft.durabletask.TaskCanceledException;
import com.microsoft.durabletask.TaskFailedException;
import com.microsoft.durabletask.TaskOptions;
import com.microsoft.durabletask.TaskOrchestration;
import com.microsoft.durabletask.TaskOrchestrationContext;
import com.microsoft.durabletask.TaskOrchestrationFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** What the Java worker runs: one orchestration per scenario, and the few activities they share. */
final class Functions {
  private static final Map<String, Integer> RUNS = new ConcurrentHashMap<>();
  private static final RetryPolicy THREE_ATTEMPTS = new RetryPolicy(3, Duration.ofMillis(50));

  private static final Map<String, TaskActivity> ACTIVITIES =
      Map.of(
          "addOne", ctx -> ctx.getInput(Integer.class) + 1,
          "square", ctx -> ctx.getInput(Integer.class) * ctx.getInput(Integer.class),
          "echo", ctx -> ctx.getInput(Object.class),
          "now", ctx -> System.currentTimeMillis(),
          "fail",
              ctx -> {
                throw new IllegalStateException(ctx.getInput(String.class));
              },
          // Fails the first two times it is called with a key.
          "flaky",
              ctx -> {
                int run = RUNS.merge(ctx.getInput(String.class), 1, Integer::sum);
                if (run <= 2) {
                  throw new IllegalStateException("attempt " + run);
                }
                return run;
              });

  private static final Map<String, TaskOrchestration> ORCHESTRATIONS =
      Map.ofEntries(
          Map.entry("chain", Functions::chain),
          Map.entry("payloads", Functions::payloads),
          Map.entry("fanOut", Functions::fanOut),
          Map.entry("timer", Functions::timer),
          Map.entry("timerRace", Functions::timerRace),
          Map.entry("oneEvent", Functions::oneEvent),
          Map.entry("eventsAfterGate", Functions::eventsAfterGate),
          Map.entry("eventTimeout", Functions::eventTimeout),
          Map.entry("sender", Functions::sender),
          Map.entry("activityFails", Functions::activityFails),
          Map.entry("catches", Functions::catches),
          Map.entry("retries", ctx -> flaky(ctx, new TaskOptions(THREE_ATTEMPTS))),
          Map.entry(
              "retryHandler",
              ctx -> flaky(ctx, new TaskOptions(retry -> retry.getLastAttemptNumber() < 3))),
          Map.entry("unknownActivity", ctx -> ctx.callActivity("nobodyHasThis").await()),
          Map.entry("parent", Functions::parent),
          Map.entry(
              "parentOfFailure",
              ctx -> ctx.callSubOrchestrator("activityFails", null, Void.class).await()),
          Map.entry("childFlaky", ctx -> flaky(ctx, null)),
          Map.entry("parentRetries", Functions::parentRetries),
          Map.entry("countUp", Functions::countUp),
          Map.entry("collect", Functions::collect),
          Map.entry("status", Functions::status),
          Map.entry("startsAt", ctx -> ctx.complete(ctx.callActivity("now", Long.class).await())),
          Map.entry("twoHalves", Functions::twoHalves));

  private Functions() {}

  static void register(DurableTaskGrpcWorkerBuilder worker) {
    ORCHESTRATIONS.forEach((name, function) -> worker.addOrchestration(orchestration(name, function)));
    ACTIVITIES.forEach((name, function) -> worker.addActivity(activity(name, function)));
  }

  private static void chain(TaskOrchestrationContext ctx) {
    int value = ctx.getInput(Integer.class);
    for (int step = 0; step < 3; step++) {
      value = ctx.callActivity("addOne", value, Integer.class).await();
    }
    ctx.complete(value);
  }

  private static void payloads(TaskOrchestrationContext ctx) {
    List<Object> answers = new ArrayList<>();
    for (Object value : ctx.getInput(List.class)) {
      answers.add(ctx.callActivity("echo", value, Object.class).await());
    }
    ctx.complete(answers);
  }

  private static void fanOut(TaskOrchestrationContext ctx) {
    List<Task<Integer>> tasks = new ArrayList<>();
    for (int index = 0; index < ctx.getInput(Integer.class); index++) {
      tasks.add(ctx.callActivity("square", index, Integer.class));
    }
    ctx.complete(ctx.allOf(tasks).await());
  }

  private static void timer(TaskOrchestrationContext ctx) {
    long began = ctx.getCurrentInstant().toEpochMilli();
    ctx.createTimer(Duration.ofSeconds(1)).await();
    ctx.complete(ctx.getCurrentInstant().toEpochMilli() - began);
  }

  private static void timerRace(TaskOrchestrationContext ctx) {
    Task<Void> slow = ctx.createTimer(Duration.ofHours(1));
    Task<Integer> quick = ctx.callActivity("addOne", 1, Integer.class);
    Task<?> winner = ctx.anyOf(slow, quick).await();
    ctx.complete(winner == quick ? quick.await() : "the timer won");
  }

  private static void oneEvent(TaskOrchestrationContext ctx) {
    ctx.complete(ctx.waitForExternalEvent(ctx.getInput(String.class), Object.class).await());
  }

  private static void eventsAfterGate(TaskOrchestrationContext ctx) {
    ctx.waitForExternalEvent("gate").await();
    List<Integer> received = new ArrayList<>();
    for (int event = 0; event < 3; event++) {
      received.add(ctx.waitForExternalEvent("item", Integer.class).await());
    }
    ctx.complete(received);
  }

  private static void eventTimeout(TaskOrchestrationContext ctx) {
    boolean late = false;
    try {
      ctx.waitForExternalEvent("never", Duration.ofMillis(200), String.class).await();
    } catch (TaskCanceledException expected) {
      late = true;
    }
    String payload = ctx.waitForExternalEvent("go", Duration.ofHours(1), String.class).await();
    ctx.complete(late ? payload : "the first wait ended without an exception");
  }

  private static void sender(TaskOrchestrationContext ctx) {
    ctx.sendEvent(ctx.getInput(String.class), "hello", Map.of("from", "sender"));
    ctx.complete("sent");
  }

  private static void activityFails(TaskOrchestrationContext ctx) {
    ctx.callActivity("fail", "out of range").await();
  }

  private static void catches(TaskOrchestrationContext ctx) {
    try {
      ctx.callActivity("fail", "out of range").await();
      ctx.complete("nothing was thrown");
    } catch (TaskFailedException failure) {
      ctx.complete(
          failure.getErrorDetails().getErrorType() + ": " + failure.getErrorDetails().getErrorMessage());
    }
  }

  private static void flaky(TaskOrchestrationContext ctx, TaskOptions options) {
    ctx.complete(ctx.callActivity("flaky", ctx.getInput(String.class), options, Integer.class).await());
  }

  private static void parent(TaskOrchestrationContext ctx) {
    ctx.complete(ctx.callSubOrchestrator("chain", 10, ctx.getInput(String.class), Integer.class).await());
  }

  private static void parentRetries(TaskOrchestrationContext ctx) {
    String key = ctx.getInput(String.class);
    TaskOptions options = new TaskOptions(THREE_ATTEMPTS);
    ctx.complete(ctx.callSubOrchestrator("childFlaky", key, null, options, Integer.class).await());
  }

  private static void countUp(TaskOrchestrationContext ctx) {
    int next = ctx.callActivity("addOne", ctx.getInput(Integer.class), Integer.class).await();
    if (next < 5) {
      ctx.continueAsNew(next);
    }
    ctx.complete(next);
  }

  private static void collect(TaskOrchestrationContext ctx) {
    List<Object> received = new ArrayList<>(ctx.getInput(List.class));
    String name = received.isEmpty() ? "first" : "second";
    received.add(ctx.waitForExternalEvent(name, String.class).await());
    if (received.size() < 2) {
      ctx.continueAsNew(received, true);
    }
    ctx.complete(received);
  }

  private static void status(TaskOrchestrationContext ctx) {
    ctx.setCustomStatus("waiting");
    ctx.waitForExternalEvent("go").await();
    ctx.setCustomStatus("done");
  }

  private static void twoHalves(TaskOrchestrationContext ctx) {
    int first = ctx.callActivity("addOne", 1, Integer.class).await();
    ctx.setCustomStatus("half way");
    ctx.waitForExternalEvent("go").await();
    ctx.complete(ctx.callActivity("addOne", first, Integer.class).await());
  }

  private static TaskOrchestrationFactory orchestration(String name, TaskOrchestration function) {
    return new TaskOrchestrationFactory() {
      @Override
      public String getName() {
        return name;
      }

      @Override
      public TaskOrchestration create() {
        return function;
      }
    };
  }

  private static TaskActivityFactory activity(String name, TaskActivity function) {
    return new TaskActivityFactory() {
      @Override
      public String getName() {
        return name;
      }

      @Override
      public TaskActivity create() {
        return function;
      }
    };
  }
}
