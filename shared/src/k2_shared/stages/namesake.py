"""Whether a named member of a group is still this process: K2_INSTANCE is a name for one process at a time.

Kafka gives a name's partitions to whoever joined under it last. aiokafka takes its replacement for the end of a session
and joins again, so that two processes of one name would take the partitions from each other for ever.
"""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

_UUID_CHARS = 36


@dataclass
class Namesake:
    """This process as a member of its group: its name ``K2_INSTANCE``, if it has one, and the broker's id for it."""

    group: str
    instance: str | None
    member_id: str = ""

    async def has_taken_over(self, admin: AIOKafkaAdminClient) -> bool:
        """Ask the broker whether another process is in the group under this one's name, once this one has been.

        Raises:
            KafkaError: the group's coordinator cannot say now.
        """
        if not self.instance or not self.member_id:
            return False
        (answer,) = await admin.describe_consumer_groups([self.group])
        ((error_code, _, _, _, _, members, *_),) = answer.groups
        if error_code:
            raise for_code(error_code)(f"members of {self.group}")
        return any(self._is_other(member_id) for member_id, *_ in members)

    def _is_other(self, member_id: str) -> bool:
        """A named member's id is its name, a dash and a UUID."""
        return member_id != self.member_id and member_id[: -_UUID_CHARS - 1] == self.instance

    @property
    def fault(self) -> tuple[str, str]:
        """What is wrong where another process has the name, and what an operator does about it."""
        return (
            f"another process has taken over under K2_INSTANCE={self.instance}",
            "end one of the two or give it a K2_INSTANCE of its own",
        )
