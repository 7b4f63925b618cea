"""Metadata kept as columns: for each path that a filter names, one integer code per slot.

A slot's metadata never changes and slots are only appended, so a column only ever grows. A code stands for
a distinct value; a test then runs once per distinct value instead of once per slot.
"""

from __future__ import annotations

import itertools
import math
import threading
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from clew.filters.evaluate import Needs, View, evaluate, needs
from clew.filters.grammar import parse
