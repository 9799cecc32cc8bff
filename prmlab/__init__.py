"""PRMLab: an interactive course and workbench on process reward models.

Import by module (`from prmlab import checker, scoring`); nothing is re-exported here.
"""

__version__ = "0.1.0"
