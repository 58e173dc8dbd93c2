"""On the path of Python, this makes a process and all its children the next release."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

from tests.parts.next_release import grow

grow()
