"""What the notebooks show: explorers, whose controls change a scenario and whose picture and numbers follow.

An explorer is one module with a function `explore`. To add one: a frozen dataclass says where the controls stand and
makes the scenario, a sketch draws a result on a figure that is kept, and `Explorer` does the rest (see
`cachesim.lab.hot_key`).
"""

try:
    import anywidget as _anywidget  # noqa: F401
    import ipywidgets as _ipywidgets  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}; the notebooks need it: pip install 'cachesim[lab]'") from missing
