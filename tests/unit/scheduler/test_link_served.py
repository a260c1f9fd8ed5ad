"""Links as a server offers and ends them, over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from durakit.scheduler.server import SchedulerServer, ServerOptions
from durakit.wire.address import Address
from durakit.wire.channel import AsyncStub, open_async_channel
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import LINK_HEADER
from google.protobuf.empty_pb2 import Empty


def test_links_are_offered_in_the_answer_to_hello_and_ask_for_the_token_too() -> None:
    async def scenario() -> None:
        server = SchedulerServer(ServerOptions(grpc_port=0, token="secret"))
        await server.start()
        address = Address(f"127.0.0.1:{server.grpc_port}", False)
        async with open_async_channel(address) as channel:
            greeted = channel.unary_unary(
                "/TaskHubSidecarService/Hello", request_serializer=Empty.SerializeToString
            )(Empty(), metadata=(("authorization", "Bearer secret"),))
            assert (LINK_HEADER, "1") in tuple(await greeted.initial_metadata())

            opened = await AsyncStub(channel, no_metadata).open_link(silent())
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await opened.read()
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        await server.stop(0)

    asyncio.run(scenario())


async def no_metadata() -> tuple[()]:
    return ()


async def silent() -> AsyncIterator[link.Up]:
    yield link.Up(opening=link.Opening(work=pb.GetWorkItemsRequest()))
    await asyncio.Event().wait()


def test_a_server_that_stops_ends_its_links_with_a_reason_to_come_again() -> None:
    async def scenario() -> None:
        server = SchedulerServer(ServerOptions(grpc_port=0))
        await server.start()
        address = Address(f"127.0.0.1:{server.grpc_port}", False)
        async with open_async_channel(address) as channel:
            opened = await AsyncStub(channel, no_metadata).open_link(silent())
            assert (await opened.read()).durable_through == 1

            await server.stop(0)

            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await opened.read()
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert ended.value.details() == "The scheduler is stopping. Reconnect."

    asyncio.run(scenario())
