//go:build tools

// Never compiled: it makes go.mod and go.sum hold what the sidecar is built from, too.
package main

import _ "github.com/microsoft/durabletask-go"
