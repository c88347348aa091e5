"""Where a topic differs from its contract: pure."""

from collections.abc import Mapping

from k2_shared.core.contracts import TopicContract


def differences(contract: TopicContract, partitions: int, config: Mapping[str, str]) -> list[str]:
    """What is not as the contract says, each in words; nothing where all is."""
    found = []
    if partitions != contract.partitions:
        found.append(f"{partitions} partitions, not {contract.partitions}")
    for name, wanted in contract.config.items():
        given = config.get(name)
        if given != wanted:
            found.append(f"{name} is {given or 'not told'}, not {wanted}")
    return found
