"""Clients that name a task hub and log in: for the Azure Durable Task Scheduler, its emulator and `durakit
dev`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from durakit.azuremanaged.headers import hub_headers, with_async_token, with_token
from durakit.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient

if TYPE_CHECKING:
    import logging

    import grpc

    from durakit.azuremanaged.tokens import AsyncTokenCredential, TokenCredential
    from durakit.grpc_options import GrpcChannelOptions, GrpcClientResiliencyOptions
    from durakit.serialization import DataConverter
    from durakit.wire.channel import AsyncMetadataSource, Metadata, MetadataSource


class DurableTaskSchedulerClient(TaskHubGrpcClient):
    """A `TaskHubGrpcClient` for one task hub of the scheduler at `host_address`.

    `token_credential` is one of azure-identity's, or anything like them; None: no token is sent. Tokens are
    for `resource_id`, by default the scheduler service in the cloud of this host.
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
        resiliency_options: GrpcClientResiliencyOptions | None = None,
        default_version: str | None = None,
        payload_store: None = None,
        data_converter: DataConverter | None = None,
        log_handler: logging.Handler | None = None,
        log_formatter: logging.Formatter | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._token_credential = token_credential
        self._resource_id = resource_id
        super().__init__(
            host_address=host_address,
            metadata=hub_headers(taskhub),
            log_handler=log_handler,
            log_formatter=log_formatter,
            logger=logger,
            channel=channel,
            secure_channel=secure_channel,
            interceptors=interceptors,
            channel_options=channel_options,
            resiliency_options=resiliency_options,
            default_version=default_version,
            payload_store=payload_store,
            data_converter=data_converter,
        )

    def _metadata_source(self, metadata: Metadata) -> MetadataSource:
        return with_token(metadata, self._token_credential, self._resource_id)


class AsyncDurableTaskSchedulerClient(AsyncTaskHubGrpcClient):
    """`DurableTaskSchedulerClient` with `await`; its credential's `get_token` is awaited too."""

    def __init__(
        self,
        *,
        host_address: str,
        taskhub: str,
        token_credential: AsyncTokenCredential | None,
        resource_id: str | None = None,
        channel: grpc.aio.Channel | None = None,
        secure_channel: bool = True,
        interceptors: Sequence[Any] | None = None,
        channel_options: GrpcChannelOptions | None = None,
        resiliency_options: GrpcClientResiliencyOptions | None = None,
        default_version: str | None = None,
        payload_store: None = None,
        data_converter: DataConverter | None = None,
        log_handler: logging.Handler | None = None,
        log_formatter: logging.Formatter | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._token_credential = token_credential
        self._resource_id = resource_id
        super().__init__(
            host_address=host_address,
            metadata=hub_headers(taskhub),
            log_handler=log_handler,
            log_formatter=log_formatter,
            logger=logger,
            channel=channel,
            secure_channel=secure_channel,
            interceptors=interceptors,
            channel_options=channel_options,
            resiliency_options=resiliency_options,
            default_version=default_version,
            payload_store=payload_store,
            data_converter=data_converter,
        )

    def _metadata_source(self, metadata: Metadata) -> AsyncMetadataSource:
        return with_async_token(metadata, self._token_credential, self._resource_id)
