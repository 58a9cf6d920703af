"""The cases, one module a group of operations. Importing this package makes all of them known to `Case.all`."""

from importlib import import_module
from pathlib import Path

for module in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    import_module(f"cases.{module.stem}")
