"""The variables by which the project's programs find a stack."""

from k2_local.clickhouse import DATABASE, OWNER, READER
from k2_local.parts import Site
from k2_local.seaweed import REGION, WAREHOUSE
from k2_support.ports import HOST


def environment(site: Site) -> dict[str, str]:
    """Name and value of every variable, secrets included."""
    port, identity = site.ports, site.identity
    catalog = f"http://{HOST}:{port['iceberg']}"
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{port['kafka']}",
        "SCHEMA_REGISTRY_URL": f"http://{HOST}:{port['registry']}/apis/ccompat/v7",
        "ICEBERG_CATALOG_URI": catalog,
        "ICEBERG_WAREHOUSE": f"s3://{WAREHOUSE}",
        "ICEBERG_CREDENTIAL": f"{identity.s3_access_key_id}:{identity.s3_secret_access_key}",
        "ICEBERG_OAUTH2_SERVER_URI": f"{catalog}/v1/oauth/tokens",
        "S3_ENDPOINT": f"http://{HOST}:{port['s3']}",
        "S3_ACCESS_KEY_ID": identity.s3_access_key_id,
        "S3_SECRET_ACCESS_KEY": identity.s3_secret_access_key,
        "S3_REGION": REGION,
        "CLICKHOUSE_URL": f"http://{HOST}:{port['clickhouse']}",
        "CLICKHOUSE_DATABASE": DATABASE,
        "CLICKHOUSE_USER": OWNER,
        "CLICKHOUSE_PASSWORD": identity.password_of(OWNER),
        "CLICKHOUSE_READER_USER": READER,
        "CLICKHOUSE_READER_PASSWORD": identity.password_of(READER),
    }
