"""What this command is called here, so that what it suggests can be typed as it stands."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "tallybook"


def own_name() -> str:
    """ "tallybook" where the shell finds it, otherwise the path by which it was called:
    ".venv/bin/tallybook".
    """
    called = sys.argv[0]
    by_path = os.sep in called and Path(called).name == _NAME
    return shlex.quote(called) if by_path and shutil.which(_NAME) is None else _NAME
