"""The backend of the embedded scheduler: what is on disk by connections of its own, the rest from memory.

conditions  a filter as SQL
lists       pages, counts and the histogram, each within a time budget
records     rows of the store as rows of a list
search      a side index for free text, off the write path
questions   what takes more than one statement
histories   digests of histories, grown turn by turn, and pages of events
workload    what queues and streams tell: who runs what, what waits, who would take it
family      ancestors and descendants
home        the scheduler's loop, asked from the pages' one
snapshots   what memory tells of instances
watching    changes, joined until somebody asks
backend     all of it behind the interface
"""
