// Runs all scenarios at once against the scheduler given as argument, such as 127.0.0.1:8080.
// Prints one line of JSON for each: {"scenario", "passed", "seconds", "detail"}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/microsoft/durabletask-go/backend"
	"github.com/microsoft/durabletask-go/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const limit = 60 * time.Second

// silent is a logger for the SDK; what it has to say would mix with the results.
type silent struct{}

func (silent) Debug(v ...any)                 {}
func (silent) Debugf(format string, v ...any) {}
func (silent) Info(v ...any)                  {}
func (silent) Infof(format string, v ...any)  {}
func (silent) Warn(v ...any)                  {}
func (silent) Warnf(format string, v ...any)  {}
func (silent) Error(v ...any)                 {}
func (silent) Errorf(format string, v ...any) {}

var _ backend.Logger = silent{}

// connect returns a client of one task hub; the SDK leaves metadata to the connection.
func connect(address, hub string) (*client.TaskHubGrpcClient, error) {
	outgoing := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "taskhub", hub)
	}
	connection, err := grpc.Dial(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any,
			cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(outgoing(ctx), method, request, reply, cc, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn,
			method string, stream grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(outgoing(ctx), desc, cc, method, options...)
		}),
	)
	if err != nil {
		return nil, err
	}
	return client.NewTaskHubGrpcClient(connection, silent{}), nil
}

type verdict struct {
	Scenario string  `json:"scenario"`
	Passed   bool    `json:"passed"`
	Seconds  float64 `json:"seconds"`
	Detail   string  `json:"detail"`
}

// judge runs one scenario; a failed check is a panic.
func judge(name string, scenario func(*world), address string, shared *client.TaskHubGrpcClient) (result verdict) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	result.Scenario = name
	defer func() {
		if problem := recover(); problem != nil {
			result.Detail = fmt.Sprint(problem)
		}
		result.Passed = result.Detail == ""
		result.Seconds = time.Since(began).Seconds()
	}()
	scenario(&world{ctx: ctx, client: shared, address: address, name: name})
	return result
}

func main() {
	address := os.Args[1]
	shared, err := connect(address, "default")
	if err != nil {
		panic(err)
	}
	if err := shared.StartWorkItemListener(context.Background(), registry()); err != nil {
		panic(err)
	}
	var running sync.WaitGroup
	var printing sync.Mutex
	for name, scenario := range scenarios {
		running.Add(1)
		go func(name string, scenario func(*world)) {
			defer running.Done()
			result := judge(name, scenario, address, shared)
			printing.Lock()
			defer printing.Unlock()
			json.NewEncoder(os.Stdout).Encode(result)
		}(name, scenario)
	}
	running.Wait()
}
