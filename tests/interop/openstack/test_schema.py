# SPDX-License-Identifier: Apache-2.0
"""/openapi.json held against the server by schemathesis: no 5xx, no answer or status the document does not have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.openstack.conftest import PASSWORD

if TYPE_CHECKING:
    from vxnet.lab.apiserver import ApiServer

TOOL = Path(sys.executable).with_name("schemathesis")


def test_the_server_keeps_to_its_document(server: ApiServer, tmp_path: Path) -> None:
    """Whatever fits the document and whatever does not is answered as the document says."""
    done = subprocess.run(
        [
            *(TOOL, "run", f"{server.url}/openapi.json", "--auth", f"admin:{PASSWORD}", "--no-color"),
            *("--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "7348"),
            # Values that must not stand beside one another (overlapping pools) are more than a schema can say.
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 47" in done.stdout, done.stdout[-2000:]
