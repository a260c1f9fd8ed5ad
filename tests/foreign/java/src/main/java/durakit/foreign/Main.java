package durakit.foreign;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.logging.LogManager;

/**
 * Runs all scenarios at once against the scheduler given as argument, such as 127.0.0.1:8080.
 *
 * <p>Prints one line of JSON for each: {"scenario", "passed", "seconds", "detail"}.
 */
public final class Main {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final ObjectMapper JSON = new ObjectMapper();

  private Main() {}

  public static void main(String[] arguments) throws InterruptedException {
    LogManager.getLogManager().reset(); // connections closed on purpose are no news
    String address = arguments[0];
    Hub hub = new Hub(address, "default");
    ExecutorService threads = Executors.newCachedThreadPool();
    new Scenarios(address, hub.client)
        .all()
        .forEach((name, scenario) -> threads.execute(() -> judge(name, scenario)));
    threads.shutdown();
    threads.awaitTermination(60, TimeUnit.SECONDS);
    System.exit(0); // workers keep threads that would hold the process
  }

  private static void judge(String name, Scenarios.Scenario scenario) {
    long began = System.nanoTime();
    StringWriter detail = new StringWriter();
    try {
      scenario.run();
    } catch (Throwable problem) {
      problem.printStackTrace(new PrintWriter(detail));
    }
    Map<String, Object> verdict = new LinkedHashMap<>();
    verdict.put("scenario", name);
    verdict.put("passed", detail.toString().isEmpty());
    verdict.put("seconds", (System.nanoTime() - began) / 1e9);
    verdict.put("detail", detail.toString());
    try {
      OUT.println(JSON.writeValueAsString(verdict));
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
