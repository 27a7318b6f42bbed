# SPDX-License-Identifier: Apache-2.0
"""Namespaces, peers and packets for the demo, scripts/lab and tests/interop; see tests/README.md."""
