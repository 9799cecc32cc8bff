"""JupyterLab's own test configuration, on a port and in a folder of our choosing."""

import os

from jupyterlab.galata import configure_jupyter_server

c = get_config()  # noqa: F821
configure_jupyter_server(c)  # no token, and the app exposed in the page
c.ServerApp.port = int(os.environ["PRMLAB_TEST_PORT"])
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_root = True
c.LabApp.user_settings_dir = os.environ["PRMLAB_TEST_SETTINGS"]
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
