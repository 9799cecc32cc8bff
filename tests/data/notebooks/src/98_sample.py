# %% [markdown]
# # A sample
#
# What tests/test_notebooks.py and tests/browser try their own machinery on.
#
# | | |
# | --- | --- |
# | **You will** | see that the harness sees |
# | **Before this** | nothing |
# | **To read** | 1 minutes |
# | **To run** | 3 seconds on two cores |
# | **Live** | everything |
# | **Recorded** | nothing |

# %%
# NBVAL_CHECK_OUTPUT
import socket
import sys

SEED = 0
print("bar 1/2\rbar 2/2", file=sys.stderr)
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(error)

# %%
import ipywidgets
from IPython.display import HTML

slider = ipywidgets.IntSlider(description="steps", value=3, max=9)
answer = ipywidgets.HTML("three")
slider.observe(lambda change: setattr(answer, "value", f"now {change.new}"), names="value")
ipywidgets.VBox([slider, answer])

# %%
# NBVAL_CHECK_OUTPUT
HTML("<table><caption>one step</caption><tr><td>2 + 2 = 4</td></tr></table>")
