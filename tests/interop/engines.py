"""The engines that read the lake beside the sink: each gives the rows of a table as it has them itself."""

from collections.abc import Callable, Mapping

import clickhouse_connect
import polars as pl
from tests.interop.tables import Row, Written

from k2.demo import tables as duck
from k2_shared.core.lake_settings import LakeSettings
from k2_shared.core.settings import ClickHouseSettings

Reading = Callable[[Written], list[Row]]


def pyiceberg(written: Written) -> list[Row]:
    """The library that also wrote them."""
    return list(written.load().scan().to_arrow().to_pylist())


def duckdb(written: Written) -> list[Row]:
    """By its extensions' wheels, through the catalog."""
    with duck.connect(LakeSettings.load()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(f'SELECT * FROM lake."{written.namespace}"."{written.contract.name}"')  # noqa: S608
        return list(found.to_arrow_table().to_pylist())


def polars(written: Written) -> list[Row]:
    """By its own reader of Parquet: the metadata alone comes through pyiceberg."""
    settings = LakeSettings.load()
    secret = settings.s3_secret_access_key
    options = {
        "aws_endpoint_url": settings.s3_endpoint,
        "aws_access_key_id": settings.s3_access_key_id or "",
        "aws_secret_access_key": secret.get_secret_value() if secret else "",
        "aws_region": settings.s3_region,
        "aws_allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
    }
    scan = pl.scan_iceberg(written.load(), storage_options=options, reader_override="native")
    return scan.collect().to_dicts()


def clickhouse(written: Written) -> list[Row]:
    """By ``icebergS3``, which finds the newest metadata in the object store and knows no catalog."""
    lake, server = LakeSettings.load(), ClickHouseSettings.load()
    password, secret = server.clickhouse_password, lake.s3_secret_access_key
    place = f"{lake.s3_endpoint}/{written.location.removeprefix('s3://')}/"
    with clickhouse_connect.get_client(
        dsn=server.clickhouse_url,
        username=server.clickhouse_user,
        password=password.get_secret_value() if password else "",
    ) as client:
        found = client.query_arrow(
            "SELECT * FROM icebergS3({place:String}, {key:String}, {secret:String})",
            parameters={
                "place": place,
                "key": lake.s3_access_key_id,
                "secret": secret.get_secret_value() if secret else "",
            },
            settings={"output_format_arrow_string_as_string": 0},
            use_strings=False,
        )
    return list(found.to_pylist())


ENGINES: Mapping[str, Reading] = {
    "pyiceberg": pyiceberg,
    "duckdb": duckdb,
    "polars": polars,
    "clickhouse": clickhouse,
}
