// Runs all scenarios at once against the scheduler at argv[2], such as 127.0.0.1:8080.
// Prints one line of JSON for each: {"scenario", "passed", "seconds", "detail"}.
"use strict";

const grpc = require("@grpc/grpc-js");
const { NoOpLogger, TaskHubGrpcClient, TaskHubGrpcWorker } = require("@microsoft/durabletask-js");
const { register } = require("./orchestrations");
const { scenarios } = require("./scenarios");

const LIMIT_SECONDS = 60;

const hostAddress = process.argv[2];
const run = process.pid.toString(36);
let given = 0;

function connection(hub) {
  const metadata = new grpc.Metadata();
  metadata.set("taskhub", hub);
  return { hostAddress, logger: new NoOpLogger(), metadataGenerator: async () => metadata };
}

const newClient = (hub) => new TaskHubGrpcClient(connection(hub));

function newWorker(hub, options, names) {
  const worker = new TaskHubGrpcWorker({ ...connection(hub), ...options });
  register(worker, names);
  return worker;
}

async function judge(scenario, context) {
  const began = performance.now();
  let timeout;
  const late = new Promise((_, reject) => {
    timeout = setTimeout(() => reject(new Error(`not done after ${LIMIT_SECONDS} seconds`)), LIMIT_SECONDS * 1000);
  });
  let detail = "";
  try {
    await Promise.race([scenarios[scenario](context), late]);
  } catch (error) {
    detail = error.stack || String(error);
  }
  clearTimeout(timeout);
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ scenario, passed: detail === "", seconds, detail }));
}

async function main() {
  const client = newClient("default");
  const worker = newWorker("default");
  await worker.start();
  const unique = (word) => `${word}-${run}-${++given}`;
  const context = { client, newClient, newWorker, unique };
  await Promise.all(Object.keys(scenarios).map((scenario) => judge(scenario, context)));
  process.exit(0); // what a late scenario left open must not hold the process
}

main();
