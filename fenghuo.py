"""The door plate: makes `fenghuo.streams` mean the folder `streams/` in a checkout.

A module that has a `__path__` is a package to Python. Not shipped: wheels and `make install` map
the folders by `package-dir` in pyproject.toml.
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parent)]
