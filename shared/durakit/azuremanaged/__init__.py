"""Clients and workers for the Azure Durable Task Scheduler, its emulator and `durakit dev`: all route by
task hub.
"""

from durakit.azuremanaged.client import AsyncDurableTaskSchedulerClient, DurableTaskSchedulerClient
from durakit.azuremanaged.worker import DurableTaskSchedulerWorker

__all__ = ["AsyncDurableTaskSchedulerClient", "DurableTaskSchedulerClient", "DurableTaskSchedulerWorker"]
