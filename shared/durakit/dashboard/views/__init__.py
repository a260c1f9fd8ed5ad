"""One typed context per page. HTML is rendered from it and JSON is made from it, so they cannot disagree.

frame      what stands around every page; paths
listing    a hub's instances
instance   the head of an instance, timeline and sequence, relations
history    events
data       input, output, failures
payloads   texts as they were recorded
workers    workers and queues
hubs       hubs, help
forms      start, acts on one instance and on many
problems   why there is no page
"""

from durakit.dashboard.instances import STATUSES
from durakit.dashboard.views.problems import ProblemView

__all__ = ["STATUSES", "ProblemView"]
