"""Copies every object of a bucket into a folder, or back: ``python deploy/copy_bucket.py out|back BUCKET FOLDER``.

The store is that of ``S3_ENDPOINT``, ``S3_ACCESS_KEY_ID``, ``S3_SECRET_ACCESS_KEY`` and ``S3_REGION``. The bucket must
exist; what it has under other names stays.
"""

import os
import sys
from pathlib import Path

from pyarrow import fs


def store() -> fs.S3FileSystem:
    """The object store of the environment."""
    return fs.S3FileSystem(
        endpoint_override=os.environ["S3_ENDPOINT"],
        access_key=os.environ["S3_ACCESS_KEY_ID"],
        secret_key=os.environ["S3_SECRET_ACCESS_KEY"],
        region=os.environ.get("S3_REGION", "us-east-1"),
    )


def main(way: str, bucket: str, folder: Path) -> int:
    """Copy, and say how many files there are now where they went. Blocks."""
    disk, there = fs.LocalFileSystem(), store()
    if way == "out":
        folder.mkdir(parents=True, exist_ok=True)
        fs.copy_files(bucket, str(folder), source_filesystem=there, destination_filesystem=disk)
    else:
        fs.copy_files(str(folder), bucket, source_filesystem=disk, destination_filesystem=there)
    found, where = (disk, str(folder)) if way == "out" else (there, bucket)
    files = [each for each in found.get_file_info(fs.FileSelector(where, recursive=True)) if each.is_file]
    sys.stdout.write(f"{len(files)} files, {sum(each.size for each in files):,} bytes in {where}\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("out", "back"):
        sys.exit(f"usage: {sys.argv[0]} out|back BUCKET FOLDER")
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
