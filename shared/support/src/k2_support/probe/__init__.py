"""Whether a broker keeps the promises on which exactly-once rests; each is checked on the broker itself."""

from k2_support.probe.durability import leave_marks, marks_outlive_a_restart
from k2_support.probe.sandbox import BrokerFailed, Sandbox, expect, sandbox
from k2_support.probe.verdicts import BrokenPromise, PromiseVerdict, demand, judge, judged

__all__ = [
    "BrokenPromise",
    "BrokerFailed",
    "PromiseVerdict",
    "Sandbox",
    "demand",
    "expect",
    "judge",
    "judged",
    "leave_marks",
    "marks_outlive_a_restart",
    "sandbox",
]
