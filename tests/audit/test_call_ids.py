from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

from saaf_autogen.audit import CallIds


def test_ids_are_of_one_form_and_none_comes_twice() -> None:
    ids = CallIds()
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: ids.draw(), range(2_000)))
    assert len(set(drawn)) == len(drawn)
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", each) for each in drawn)


def test_a_process_that_was_forked_off_shares_no_id() -> None:
    ids = CallIds()
    ids.draw()
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        os.write(theirs, ids.draw().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(ours, 100).decode() != ids.draw()
    os.close(ours)
    os.close(theirs)
