"""An MCP client that executes requests from standard input, one per line.

    client.py ERA http URL TOKEN_FILE
    client.py ERA stdio PROGRAM [ARGUMENT..]

ERA is `legacy` or a revision, as in 2026-07-28. A line of input is a JSON object:

    {"list": true}
    {"call": "check_host", "arguments": {..}, "cancel": false}

With `cancel`, the call is cancelled at the first progress notification. A line of output is a JSON object with `tools`, or
`result` and `progress`, or `error`, and with `asked`: the questions of the server to the person. CLIENT_ANSWER is what the
person answers, `accept` or `decline`; without it, the client does not support questions. If CLIENT_APPROVES is the path of
an oomguard, the person runs the command in the question with it first.
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys

import anyio
import httpx2
import mcp_types as types
from mcp import MCPError
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


class Person:
    """Answers the questions of the server."""

    def __init__(self, answer):
        self.action = answer
        self.asked = []

    async def answer(self, context, params):
        self.asked.append(params.message)
        if program := os.environ.get("CLIENT_APPROVES"):
            command = next(line for line in params.message.splitlines() if line.startswith("oomguard mcp approve "))
            subprocess.run([program, *shlex.split(command)[1:], "--yes"], check=True, stdout=subprocess.DEVNULL)
        return types.ElicitResult(action=self.action, content={} if self.action == "accept" else None)


async def call(client, wanted, person):
    progress = []
    with anyio.CancelScope() as scope:

        async def heard(number, total, message):
            progress.append(message)
            if wanted.get("cancel"):
                scope.cancel()

        result = await client.call_tool(wanted["call"], wanted.get("arguments"), progress_callback=heard)
    if scope.cancelled_caught:
        return {"cancelled": True, "progress": progress}
    dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"result": dumped, "progress": progress}


async def do(client, wanted, person):
    person.asked.clear()
    try:
        if wanted.get("list"):
            listed = await client.list_tools()
            tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]
            done = {"tools": tools}
        else:
            done = await call(client, wanted, person)
    except MCPError as error:
        done = {"error": str(error)}
    return done | {"asked": list(person.asked)}


async def serve(server, era):
    person = Person(os.environ.get("CLIENT_ANSWER"))
    elicitation = person.answer if person.action else None
    info = types.Implementation(name="python", version="1")
    async with Client(server, mode=era, elicitation_callback=elicitation, client_info=info) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await do(client, json.loads(line), person)), flush=True)


async def main():
    era, transport, *rest = sys.argv[1:]
    if transport == "stdio":
        await serve(StdioServerParameters(command=rest[0], args=rest[1:]), era)
        return
    url, token_file = rest
    with open(token_file, encoding="ascii") as file:
        headers = {"Authorization": f"Bearer {file.read().strip()}"}
    # Changing a host may take long.
    async with httpx2.AsyncClient(headers=headers, timeout=None) as http:
        await serve(streamable_http_client(url, http_client=http), era)


asyncio.run(main())
