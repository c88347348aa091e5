"""The requests of Kafka that faults are about, by their number."""

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT = (
    0,
    1,
    2,
    3,
    9,
    10,
    11,
    12,
)
OFFSET_COMMIT = 8
INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28
APIS = {
    "Produce": PRODUCE,
    "Fetch": FETCH,
    "OffsetFetch": OFFSET_FETCH,
    "JoinGroup": JOIN_GROUP,
    "Heartbeat": HEARTBEAT,
    "InitProducerId": INIT_PRODUCER_ID,
    "AddPartitionsToTxn": ADD_PARTITIONS_TO_TXN,
    "AddOffsetsToTxn": ADD_OFFSETS_TO_TXN,
    "EndTxn": END_TXN,
    "TxnOffsetCommit": TXN_OFFSET_COMMIT,
}
# What a producer asks within a transaction, in this order.
IN_TRANSACTION = ("AddPartitionsToTxn", "Produce", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn")
