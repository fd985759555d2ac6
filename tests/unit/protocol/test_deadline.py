"""The deadline: what a process that has to end leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE

# A thread writes a file and is stuck in it, as with a database that does not answer.
STUCK = """
import sys, threading
from pathlib import Path
from zava.infra.export_folder import ExportFolder
from zava.protocol import deadline

writing = threading.Event()

def write():
    with ExportFolder(Path(sys.argv[1]), 3600).draft(lambda size: None) as draft:
        draft.file.write(b"half of it")
        (draft.folder / "temporary").mkdir()
        (draft.folder / "temporary" / "part").write_bytes(b"x")
        writing.set()
        threading.Event().wait()

deadline._LAST_ACT_SECONDS = 60.0  # however slow the machine is
end = deadline.Deadline(0.0)
threading.Thread(target=write).start()
writing.wait()
end.start(143)
threading.Event().wait()
"""


def test_a_process_that_ends_while_a_file_is_written_leaves_nothing_of_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "documents"
    done = subprocess.run(
        [sys.executable, "-c", STUCK, str(folder)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 143, done.stderr
    assert "ended with calls at work" in done.stderr
    assert os.listdir(folder) == []
