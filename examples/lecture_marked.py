"""The lecture's derivations, transcribed with their slips, marked: what symgrad finds, and what it says is right instead."""
from pathlib import Path

import symgrad as sg

net = sg.parse((Path(__file__).parent / "lecture_claims.sg").read_text(encoding="utf-8"))
verdicts = sg.check_steps(net)
for v in verdicts:
    if v.verdict != "ok":
        print(f"{v}\n    pattern: {v.pattern}")
right = [v for v in verdicts if v.verdict == "ok"]
print(f"{len(right)} of {len(verdicts)} lines are right")
assert len(right) == len(verdicts) - 7
assert {v.pattern for v in verdicts} == {"", "off path", "wrong index", "layout", "sign"}
