"""A consumer group's lag in one partition: how many offsets it is behind, if a record is among them; pure."""

from k2_shared.kafka.lag import Reading


class GroupPosition:
    """Where a group stands in a partition, and whether a record is before it.

    Ends of transactions and what was aborted take offsets too: a group that has read all stands some offsets before
    the end for as long as nothing comes. So where one stands still, it is looked up whether a record is there at all.
    """

    def __init__(self) -> None:
        self._first = -1
        self._barren_to = -1  # no record stands from the first up to here
        self._has_record = False

    def doubtful(self, reading: Reading) -> range:
        """The offsets to look up for a record; empty while the group moves, and where the answer is known."""
        if reading.first != self._first:
            self._first = self._barren_to = reading.first
            self._has_record = False
            return range(0)
        return range(0) if self._has_record else range(self._barren_to, reading.end)

    def looked_up(self, offsets: range, has_record: bool) -> None:
        """Take in whether a record stands at the offsets that ``doubtful`` gave."""
        self._has_record = has_record
        if not has_record:
            self._barren_to = offsets.stop

    def lag(self, reading: Reading) -> int:
        """How many offsets the group is behind; 0 where none of them has a record."""
        has_read_all = reading.first == self._first and not self._has_record and self._barren_to >= reading.end
        return 0 if has_read_all else reading.offsets
