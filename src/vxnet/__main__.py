# SPDX-License-Identifier: Apache-2.0
"""`python -m vxnet ...` is `vxnet ...`."""

from vxnet.cli.main import main

main()
