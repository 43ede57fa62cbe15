"""Modules are named after the business."""

import re

from tests.house.tree import ROOT, files, from_root

# Names that promise no content, and so attract any.
SAY_NOTHING = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc|base|core|stuff)$")


def test_no_module_has_a_name_that_says_nothing() -> None:
    ours = [path for path in files(".py") if "tallybook" not in path.relative_to(ROOT).parts]
    nameless = [
        from_root(path)
        for path in ours
        if any(SAY_NOTHING.search(part) for part in path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert not nameless
