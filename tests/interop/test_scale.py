# SPDX-License-Identifier: Apache-2.0
"""scripts/scale at a size that fits: 50 branches with 20 proxy-IDs each, every one's packets looked at."""
import os
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "../../perf"))

from scale import conf  # noqa: E402
from scale.steps import STEPS, Run  # noqa: E402


def test_many_tunnels(tmp_path):
    with Run(conf.Size(50, 20, dpd={"interval": 2, "retry": 3}), str(tmp_path)) as run:
        table = run.everything(steps=[s for s in STEPS if s != "cost"])
        assert table["bring up"]["pairs"] == 1000 and table["bring up"]["ike-sas"] == 50
        # A packet of each, three times and both ways; that none was lost or took another's SA is the step's own word.
        assert table["traffic"]["packets"] == 6000 and table["traffic"]["lost"] == 0
        assert table["dead"]["gateways"] == 5
        assert run.headend.counts() == (50, 1001)
        for box in (run.headend, run.branches):
            drops = box.d.drops()
            assert drops["esp-auth-failed"] == drops["esp-inner-selector"] == drops["esp-replay"] == 0
