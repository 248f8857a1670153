"""A real Jupyter server on loopback, and notebooks opened in it with JupyterLab or with Notebook 7."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Literal

import nbformat
from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parent.parent.parent

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of our loopback

# What a notebook shows in place of a widget that could not be drawn.
BROKEN = ["Click to show javascript error", "Error displaying widget", "Error creating widget", "Loading widget..."]


App = Literal["lab", "notebook"]  # JupyterLab or Notebook 7


class Server:
    """A server process. Its home, settings and notebooks are in a folder of its own."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app = app
        self.notebooks = folder / "notebooks"
        self.runtime = Path(
            tempfile.mkdtemp(prefix="jupyter-")
        )  # short: a Unix socket's path has 107 characters at most
        settings = folder / "settings"
        news = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        for each in (self.notebooks, news.parent):
            each.mkdir(parents=True)
        news.write_text('{"fetchNews": "false"}')  # else a question covers a corner of the page
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
        environment |= {
            "HOME": str(folder),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_CONFIG_PATH": str(ROOT / "tools" / "jupyter"),  # as in `make lab`
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "PYTHONPATH": str(ROOT),  # a cell may import from tests/
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "OMP_NUM_THREADS": "1",
        }
        name, title = {"lab": ("jupyterlab", "LabApp"), "notebook": ("notebook", "JupyterNotebookApp")}[app]
        command = [sys.executable, "-m", name, f"--{title}.expose_app_in_browser=True"]
        command += ["--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
        command += ["--ServerApp.open_browser=False", "--IdentityProvider.token=", "--ServerApp.password="]
        command += ["--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={self.notebooks}"]
        command += ["--KernelManager.transport=ipc"]  # tests/sockets.py says why
        # Should the tests be killed, the server ends by itself, half an hour after its last kernel.
        command += ["--ServerApp.shutdown_no_activity_timeout=1800", "--MappingKernelManager.cull_idle_timeout=1800"]
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
            )
        self.url = self.wait_until_it_answers(60)

    def wait_until_it_answers(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            for file in self.runtime.glob("jpserver-*.json"):
                try:
                    url = f"http://127.0.0.1:{json.loads(file.read_text())['port']}"
                    with DIRECT.open(f"{url}/api/status", timeout=5):
                        return url
                except (OSError, ValueError):  # not listening yet, or the file is half written
                    pass
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"Jupyter did not start:\n{self.log.read_text()}")

    def stop_kernels(self) -> None:
        with DIRECT.open(f"{self.url}/api/kernels", timeout=10) as answer:
            kernels = json.load(answer)
        for kernel in kernels:
            address = f"{self.url}/api/kernels/{kernel['id']}"
            DIRECT.open(urllib.request.Request(address, method="DELETE"), timeout=20).close()

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # it stops its kernels
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.runtime, ignore_errors=True)


class Notebook:
    """A notebook that has been run from top to bottom, in a page."""

    def __init__(self, server: Server, page: Page, cells: list[str]) -> None:
        self.server = server
        self.page = page
        file = server.notebooks / f"{len(list(server.notebooks.glob('*.ipynb')))}.ipynb"
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        written = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        written.cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(cells)]
        nbformat.write(written, file)
        path = f"lab/tree/{file.name}?reset" if server.app == "lab" else f"notebooks/{file.name}"
        page.goto(f"{server.url}/{path}")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.context?.isReady", timeout=60_000)
        self.set_theme(dark=False)  # it is a setting of the server, and outlives a notebook
        self.run_all()

    def set_theme(self, dark: bool) -> None:
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        # JupyterLab's splash screen, shown again while it fades, is removed twice, and the second time is an error.
        self.page.wait_for_function("!document.getElementById('jupyterlab-splash')")
        self.page.evaluate("theme => { jupyterapp.commands.execute('apputils:change-theme', { theme }) }", theme)
        self.page.wait_for_function("dark => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)

    def run_all(self) -> None:
        """Run every cell and wait for the last. A cell that raises fails the test."""
        # evaluate() has no time limit, so it does not get the promise: a dialog of Jupyter would stop it for ever.
        self.page.evaluate("""() => {
          const panel = jupyterapp.shell.currentWidget;
          window.hasRun = false;
          panel.sessionContext.ready
            .then(() => jupyterapp.commands.execute("notebook:run-all-cells"))
            .then(() => { window.hasRun = true; });
        }""")
        self.page.wait_for_function("window.hasRun", timeout=90_000)
        raised = self.page.evaluate("""() => jupyterapp.shell.currentWidget.content.widgets
          .flatMap((cell) => cell.model.sharedModel.outputs ?? [])
          .filter((output) => output.output_type === "error")
          .map((output) => `${output.ename}: ${output.evalue}\\n${output.traceback.join("\\n")}`)""")
        assert not raised, "\n".join(raised)

    @property
    def n_cells(self) -> int:
        return self.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")

    def output(self, cell: int) -> Locator:
        """What stands under cell number `cell`, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")

    def saved_outputs(self, cell: int) -> list[Any]:
        """What the notebook file would hold as outputs of this cell."""
        return self.page.evaluate(
            "n => jupyterapp.shell.currentWidget.content.widgets[n].model.sharedModel.outputs", cell
        )

    def value(self, expression: str) -> Any:
        """A plain value (number, text, list, ...) from the kernel. What the page has just sent may be under way."""
        answer = self.page.evaluate(ASK, expression)
        assert answer["status"] == "ok", f"{expression}: {answer}"
        return ast.literal_eval(answer["data"]["text/plain"])

    def wait_for(self, expression: str, seconds: float = 30) -> None:
        """Wait until the expression is True in the kernel."""
        deadline = time.monotonic() + seconds
        while self.value(expression) is not True:  # wait_for_function would take the promise of an answer for True
            assert time.monotonic() < deadline, f"{expression} has not become True in {seconds} s."
            self.page.wait_for_timeout(50)

    def complain(self) -> None:
        """Fail if Jupyter shows an excuse in place of a widget."""
        for text in BROKEN:
            assert self.page.get_by_text(text).count() == 0, f"The notebook shows {text!r}."


ASK = """async (expression) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const request = { code: "", store_history: false, user_expressions: { value: expression } };
  const reply = await kernel.requestExecute(request).done;
  return reply.content.user_expressions.value;
}"""
