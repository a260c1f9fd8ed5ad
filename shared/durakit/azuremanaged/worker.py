"""A worker that names a task hub and logs in: for the Azure Durable Task Scheduler, its emulator and
`durakit dev`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from durakit.azuremanaged.headers import hub_headers, new_worker_id, with_token
from durakit.worker import TaskHubGrpcWorker

if TYPE_CHECKING:
    import logging

    import grpc

    from durakit.azuremanaged.tokens import TokenCredential
    from durakit.exception_properties import ExceptionPropertiesProvider
    from durakit.grpc_options import GrpcChannelOptions, GrpcWorkerResiliencyOptions
    from durakit.serialization import DataConverter
    from durakit.wire.channel import Metadata, MetadataSource
    from durakit.worker import ConcurrencyOptions


class DurableTaskSchedulerWorker(TaskHubGrpcWorker):
    """A `TaskHubGrpcWorker` for one task hub of the scheduler at `host_address`.

    Credentials as for `DurableTaskSchedulerClient`. This scheduler takes timers of any length.
    """

    def __init__(
        self,
        *,
        host_address: str,
        taskhub: str,
        token_credential: TokenCredential | None,
        resource_id: str | None = None,
        channel: grpc.Channel | None = None,
        secure_channel: bool = True,
        interceptors: Sequence[Any] | None = None,
        channel_options: GrpcChannelOptions | None = None,
        resiliency_options: GrpcWorkerResiliencyOptions | None = None,
        concurrency_options: ConcurrencyOptions | None = None,
        payload_store: None = None,
        data_converter: DataConverter | None = None,
        log_handler: logging.Handler | None = None,
        log_formatter: logging.Formatter | None = None,
        logger: logging.Logger | None = None,
        exception_properties_provider: ExceptionPropertiesProvider | None = None,
    ) -> None:
        self._token_credential = token_credential
        self._resource_id = resource_id
        super().__init__(
            host_address=host_address,
            metadata=hub_headers(taskhub, worker_id=new_worker_id()),
            log_handler=log_handler,
            log_formatter=log_formatter,
            logger=logger,
            channel=channel,
            secure_channel=secure_channel,
            interceptors=interceptors,
            channel_options=channel_options,
            resiliency_options=resiliency_options,
            concurrency_options=concurrency_options,
            maximum_timer_interval=None,
            payload_store=payload_store,
            data_converter=data_converter,
            exception_properties_provider=exception_properties_provider,
        )

    def _metadata_source(self, metadata: Metadata) -> MetadataSource:
        return with_token(metadata, self._token_credential, self._resource_id)
