"""The state machine of one task hub: messages in, changes out.

Nothing here does I/O, reads a clock, makes random ids or knows gRPC and SQL; time and ids are passed
in. The rules follow the protocol section by section, one module per family:

    instance    what is known of one instance
    journal     what a group of messages changed, and what may leave once that is on disk
    machine     the instances of a hub and what every rule needs
    starting    starting, replacing, restarting on behalf of a client
    creation    making an instance and its executions
    arrivals    events raised, results of activities, timers, suspend and resume
    turns       offering a turn to a worker and applying its answer
    actions     what each action of an orchestrator does
    status_record  custom statuses over time, as far as they are kept
    ending      completing, continuing as new, terminating, purging
    rewind      running a failed instance again from its last good point
    recovery    rebuilding all of it from what is stored
"""
