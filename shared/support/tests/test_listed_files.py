"""Which files look old, and that nothing else of a list changes."""

from k2_support.listed_files import looking_old

ENTRY = "<Contents><Key>{}</Key><LastModified>{}</LastModified><Size>7</Size></Contents>"
NOW, THEN = "2026-11-28T19:00:00.000Z", "2020-01-01T00:00:00.000Z"


def listed(first: str, second: str) -> bytes:
    entries = ENTRY.format("data/a.parquet", first) + "\n" + ENTRY.format("data/b.parquet", second)
    return f"<ListBucketResult><LastModified>{NOW}</LastModified>{entries}</ListBucketResult>".encode()


def test_every_file_looks_old() -> None:
    assert looking_old().reply(listed(NOW, NOW)) == listed(THEN, THEN)


def test_only_what_is_meant_looks_old() -> None:
    assert looking_old(lambda key: "b.parquet" in key).reply(listed(NOW, NOW)) == listed(NOW, THEN)
