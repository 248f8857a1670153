"""Starts a kernel inside a sandbox, for jupyter_client; it talks to it over Unix sockets in one folder."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from course.grading import forking
from course.grading.sandbox import Limits, Sandbox, environment

NAME = "course-sandbox"


class SandboxProvisioner(LocalProvisioner):
    """A local kernel with the sandbox around it."""

    sandbox: Sandbox
    limits: Limits
    folder: Path
    errors: str  # the file for what the kernel prints before it can talk
    fork_server: str  # its address, "" where there is none

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager: Any = self.parent
        manager.transport, manager.ip = "ipc", str(self.folder / "socket")
        manager.cache_ports = False
        manager.connection_file = str(self.folder / "connection.json")
        kwargs = await super().pre_launch(**kwargs)
        kwargs["env"] = {**environment()}
        uid = self.sandbox.uid()
        if uid != os.getuid():
            for path in (self.folder, self.folder / "connection.json"):
                os.chown(path, uid, uid)
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        if self.fork_server and self.sandbox.kind == "bwrap":
            self._fork(cmd)
            return self.connection_info
        return await super().launch_kernel(self.sandbox.command(cmd, self.folder, self.limits), **kwargs)

    async def wait(self) -> int | None:
        code = await super().wait()
        end = time.monotonic() + 5
        while self.pid and psutil.pid_exists(self.pid) and time.monotonic() < end:
            await asyncio.sleep(0.01)  # the sandbox is dead: so is, in a moment, all that was in it
        return code

    def _fork(self, cmd: list[str]) -> None:
        """Make an empty sandbox, and let a copy of the fork server go into it. Raises OSError."""
        read, write = os.pipe()
        holder = ["sh", "-c", "echo ready; exec sleep infinity"]
        command = self.sandbox.command(holder, self.folder, self.limits)
        command = [command[0], "--info-fd", str(write), *command[1:]]
        with open(self.errors, "a") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, pass_fds=[write],
                start_new_session=True,
            )  # fmt: skip
        self.process, self.pid, self.pgid = process, process.pid, process.pid
        os.close(write)
        with os.fdopen(read) as information, process.stdout as said:  # type: ignore[union-attr]
            if said.readline() != b"ready\n":
                raise OSError(f"the sandbox did not start: {Path(self.errors).read_text()[-300:]}")
            inside = json.loads(information.read())["child-pid"]
        request = {
            "kind": "kernel",
            "sandbox": process.pid,
            "inside": inside,
            "arguments": cmd[cmd.index("-f") :],
            "errors": self.errors,
            "uid": self.sandbox.uid(),
            "limits": asdict(self.limits),
        }
        connection, self.pid = forking.ask(self.fork_server, request)
        connection.close()


def register(sandbox: Sandbox, limits: Limits, folder: Path, errors: str, fork_server: str) -> str:
    """Make the provisioner known to jupyter_client in this process; the result is its name."""
    for name, value in (("sandbox", sandbox), ("limits", limits), ("folder", folder), ("errors", errors)):
        setattr(SandboxProvisioner, name, value)
    SandboxProvisioner.fork_server = fork_server
    entry = EntryPoint(NAME, f"{__name__}:SandboxProvisioner", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.instance().provisioners[NAME] = entry
    return NAME
