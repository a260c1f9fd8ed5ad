package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/microsoft/durabletask-go/task"
)

// registry returns what the Go worker runs: one orchestration per scenario, and the few activities they share.
func registry() *task.TaskRegistry {
	r := task.NewTaskRegistry()
	for name, orchestration := range orchestrations {
		check(r.AddOrchestratorN(name, orchestration))
	}
	for name, activity := range activities {
		check(r.AddActivityN(name, activity))
	}
	return r
}

var runs = struct {
	sync.Mutex
	byKey map[string]int
}{byKey: map[string]int{}}

// count says how often it was called with this key.
func count(key string) int {
	runs.Lock()
	defer runs.Unlock()
	runs.byKey[key]++
	return runs.byKey[key]
}

var activities = map[string]task.Activity{
	"addOne": func(ctx task.ActivityContext) (any, error) {
		var value int
		err := ctx.GetInput(&value)
		return value + 1, err
	},
	"square": func(ctx task.ActivityContext) (any, error) {
		var value int
		err := ctx.GetInput(&value)
		return value * value, err
	},
	"echo": func(ctx task.ActivityContext) (any, error) {
		var value any
		err := ctx.GetInput(&value)
		return value, err
	},
	"now": func(ctx task.ActivityContext) (any, error) {
		return time.Now().UnixMilli(), nil
	},
	"fail": func(ctx task.ActivityContext) (any, error) {
		var message string
		if err := ctx.GetInput(&message); err != nil {
			return nil, err
		}
		return nil, errors.New(message)
	},
	// Fails the first two times it is called with a key.
	"flaky": func(ctx task.ActivityContext) (any, error) {
		var key string
		if err := ctx.GetInput(&key); err != nil {
			return nil, err
		}
		run := count(key)
		if run <= 2 {
			return nil, fmt.Errorf("attempt %d", run)
		}
		return run, nil
	},
}

var threeAttempts = &task.RetryPolicy{MaxAttempts: 3, InitialRetryInterval: 50 * time.Millisecond}

var orchestrations = map[string]task.Orchestrator{
	"chain": func(ctx *task.OrchestrationContext) (any, error) {
		var value int
		if err := ctx.GetInput(&value); err != nil {
			return nil, err
		}
		for step := 0; step < 3; step++ {
			if err := ctx.CallActivity("addOne", task.WithActivityInput(value)).Await(&value); err != nil {
				return nil, err
			}
		}
		return value, nil
	},
	"payloads": func(ctx *task.OrchestrationContext) (any, error) {
		var values []any
		if err := ctx.GetInput(&values); err != nil {
			return nil, err
		}
		answers := make([]any, len(values))
		for index, value := range values {
			if err := ctx.CallActivity("echo", task.WithActivityInput(value)).Await(&answers[index]); err != nil {
				return nil, err
			}
		}
		return answers, nil
	},
	"fanOut": func(ctx *task.OrchestrationContext) (any, error) {
		var width int
		if err := ctx.GetInput(&width); err != nil {
			return nil, err
		}
		tasks := make([]task.Task, width)
		for index := range tasks {
			tasks[index] = ctx.CallActivity("square", task.WithActivityInput(index))
		}
		squares := make([]int, width)
		for index := range tasks {
			if err := tasks[index].Await(&squares[index]); err != nil {
				return nil, err
			}
		}
		return squares, nil
	},
	"timer": func(ctx *task.OrchestrationContext) (any, error) {
		began := ctx.CurrentTimeUtc
		err := ctx.CreateTimer(time.Second).Await(nil)
		return ctx.CurrentTimeUtc.Sub(began).Milliseconds(), err
	},
	"oneEvent": func(ctx *task.OrchestrationContext) (any, error) {
		var name string
		if err := ctx.GetInput(&name); err != nil {
			return nil, err
		}
		var payload any
		err := ctx.WaitForSingleEvent(name, -1).Await(&payload)
		return payload, err
	},
	"eventsAfterGate": func(ctx *task.OrchestrationContext) (any, error) {
		if err := ctx.WaitForSingleEvent("gate", -1).Await(nil); err != nil {
			return nil, err
		}
		received := make([]int, 3)
		for index := range received {
			if err := ctx.WaitForSingleEvent("item", -1).Await(&received[index]); err != nil {
				return nil, err
			}
		}
		return received, nil
	},
	"eventTimeout": func(ctx *task.OrchestrationContext) (any, error) {
		err := ctx.WaitForSingleEvent("never", 200*time.Millisecond).Await(nil)
		if !errors.Is(err, task.ErrTaskCanceled) {
			return nil, fmt.Errorf("waiting ended with: %v", err)
		}
		var payload string
		err = ctx.WaitForSingleEvent("go", time.Hour).Await(&payload)
		return payload, err
	},
	"activityFails": func(ctx *task.OrchestrationContext) (any, error) {
		return nil, ctx.CallActivity("fail", task.WithActivityInput("out of range")).Await(nil)
	},
	"catches": func(ctx *task.OrchestrationContext) (any, error) {
		err := ctx.CallActivity("fail", task.WithActivityInput("out of range")).Await(nil)
		return fmt.Sprint(err), nil
	},
	"retries": func(ctx *task.OrchestrationContext) (any, error) {
		return flaky(ctx, threeAttempts)
	},
	"retryHandler": func(ctx *task.OrchestrationContext) (any, error) {
		handled := *threeAttempts
		handled.Handle = func(err error) bool { return err.Error() != "give up" }
		return flaky(ctx, &handled)
	},
	"unknownActivity": func(ctx *task.OrchestrationContext) (any, error) {
		return fmt.Sprint(ctx.CallActivity("nobodyHasThis").Await(nil)), nil
	},
	"parent": func(ctx *task.OrchestrationContext) (any, error) {
		var child string
		if err := ctx.GetInput(&child); err != nil {
			return nil, err
		}
		var result int
		err := ctx.CallSubOrchestrator("chain",
			task.WithSubOrchestratorInput(10), task.WithSubOrchestrationInstanceID(child)).Await(&result)
		return result, err
	},
	"parentOfFailure": func(ctx *task.OrchestrationContext) (any, error) {
		return fmt.Sprint(ctx.CallSubOrchestrator("activityFails").Await(nil)), nil
	},
	"childFlaky": func(ctx *task.OrchestrationContext) (any, error) {
		return flaky(ctx, nil)
	},
	"parentRetries": func(ctx *task.OrchestrationContext) (any, error) {
		var key string
		if err := ctx.GetInput(&key); err != nil {
			return nil, err
		}
		var result int
		err := ctx.CallSubOrchestrator("childFlaky",
			task.WithSubOrchestratorInput(key), task.WithSubOrchestrationRetryPolicy(threeAttempts)).Await(&result)
		return result, err
	},
	"parentWaits": func(ctx *task.OrchestrationContext) (any, error) {
		var child string
		if err := ctx.GetInput(&child); err != nil {
			return nil, err
		}
		return nil, ctx.CallSubOrchestrator("oneEvent",
			task.WithSubOrchestratorInput("never"), task.WithSubOrchestrationInstanceID(child)).Await(nil)
	},
	"countUp": func(ctx *task.OrchestrationContext) (any, error) {
		var value int
		if err := ctx.GetInput(&value); err != nil {
			return nil, err
		}
		if err := ctx.CallActivity("addOne", task.WithActivityInput(value)).Await(&value); err != nil {
			return nil, err
		}
		if value < 5 {
			ctx.ContinueAsNew(value)
		}
		return value, nil
	},
	"collect": func(ctx *task.OrchestrationContext) (any, error) {
		var received []string
		if err := ctx.GetInput(&received); err != nil {
			return nil, err
		}
		var item string
		if err := ctx.WaitForSingleEvent("item", -1).Await(&item); err != nil {
			return nil, err
		}
		received = append(received, item)
		if len(received) < 3 {
			ctx.ContinueAsNew(received, task.WithKeepUnprocessedEvents())
		}
		return received, nil
	},
	"status": func(ctx *task.OrchestrationContext) (any, error) {
		ctx.SetCustomStatus("waiting")
		err := ctx.WaitForSingleEvent("go", -1).Await(nil)
		ctx.SetCustomStatus("done")
		return nil, err
	},
	"startsAt": func(ctx *task.OrchestrationContext) (any, error) {
		var at int64
		err := ctx.CallActivity("now").Await(&at)
		return at, err
	},
	"twoHalves": func(ctx *task.OrchestrationContext) (any, error) {
		var value int
		if err := ctx.CallActivity("addOne", task.WithActivityInput(1)).Await(&value); err != nil {
			return nil, err
		}
		ctx.SetCustomStatus("half way")
		if err := ctx.WaitForSingleEvent("go", -1).Await(nil); err != nil {
			return nil, err
		}
		err := ctx.CallActivity("addOne", task.WithActivityInput(value)).Await(&value)
		return value, err
	},
}

// flaky calls the activity of that name with the orchestration's input.
func flaky(ctx *task.OrchestrationContext, policy *task.RetryPolicy) (any, error) {
	var key string
	if err := ctx.GetInput(&key); err != nil {
		return nil, err
	}
	var run int
	err := ctx.CallActivity("flaky",
		task.WithActivityInput(key), task.WithActivityRetryPolicy(policy)).Await(&run)
	return run, err
}
