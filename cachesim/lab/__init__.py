"""What notebooks show: explorers, pictures, the source of the package, code that runs live, and exercises.

An explorer is a module of `cachesim.lab.explorers` with a function `explore`. To add one: a frozen dataclass says where
the controls stand and makes the scenarios, a sketch draws what came out on a figure that is kept, and `Explorer` does
the rest (see `cachesim.lab.explorers.hot_key`).
"""

try:
    import anywidget as _anywidget  # noqa: F401
    import ipywidgets as _ipywidgets  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}; the notebooks need it: pip install 'cachesim[lab]'") from missing

from cachesim.lab.agreement import beside_theory
from cachesim.lab.animation import Animation
from cachesim.lab.explorer import link
from cachesim.lab.picture import Illustration
from cachesim.lab.source import source

__all__ = ["Animation", "Illustration", "beside_theory", "link", "source"]
