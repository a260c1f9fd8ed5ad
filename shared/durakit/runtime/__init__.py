"""What a worker does between the stream of work items and the answers to them.

stream      work items in, reconnecting for ever
relay       who reads while the reader works
dispatch    which thread runs what, and how all of that ends
turns       orchestrator request -> response          no transport
sessions    executions kept alive between turns       no transport
activities  activity request -> response              no transport
delivery    responses out, until they have arrived
threads     threads that take items off one queue
async_loop  one event loop for the async activities
"""
