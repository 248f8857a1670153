"""A pytest plugin: kernels talk over Unix sockets.

Jupyter picks five free TCP ports, and the kernel binds them a second later. Where two test workers, a browser and
servers open connections all the time, one of the ports is sometimes gone by then, and the kernel does not start.
"""

from jupyter_client.connect import ConnectionFileMixin

ConnectionFileMixin.transport.default_value = "ipc"
