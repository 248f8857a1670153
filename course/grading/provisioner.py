"""Starts a kernel inside a sandbox, for jupyter_client; it talks to it over Unix sockets in one folder."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from course.grading.sandbox import Limits, Sandbox, environment

NAME = "course-sandbox"


class SandboxProvisioner(LocalProvisioner):
    """A local kernel with the sandbox's command around its own."""

    sandbox: Sandbox
    limits: Limits
    folder: Path

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager: Any = self.parent
        manager.transport, manager.ip = "ipc", str(self.folder / "socket")
        manager.cache_ports = False
        manager.connection_file = str(self.folder / "connection.json")
        kwargs = await super().pre_launch(**kwargs)
        kwargs["env"] = {**environment()}
        kwargs["cmd"] = self.sandbox.command(kwargs["cmd"], self.folder, self.limits)
        uid = self.sandbox.uid()
        if uid != os.getuid():
            for path in (self.folder, self.folder / "connection.json"):
                os.chown(path, uid, uid)
        return kwargs


def register(sandbox: Sandbox, limits: Limits, folder: Path) -> str:
    """Make the provisioner known to jupyter_client in this process; the result is its name."""
    SandboxProvisioner.sandbox, SandboxProvisioner.limits, SandboxProvisioner.folder = sandbox, limits, folder
    entry = EntryPoint(NAME, f"{__name__}:SandboxProvisioner", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.instance().provisioners[NAME] = entry
    return NAME
