"""What `make lab` adds to the settings of Jupyter: small answers of the kernel are sent at once.

Beside it, labconfig/page_config.json: JupyterLab asks nothing about its news, over a corner of the first notebook.

Jupyter Server leaves TCP's default on: a small message waits until the browser has acknowledged the one before. The
browser takes its time for that, 40 ms on Linux. A kernel says "busy", then it answers, so a small answer to a slider
would come 40 ms late (benchmarks/README.md).
"""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class Prompt(ZMQChannelsWebsocketConnection):
    """The wire between a kernel and a page, without TCP's waiting."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()


get_config().ServerApp.kernel_websocket_connection_class = Prompt  # type: ignore[name-defined]  # noqa: F821
