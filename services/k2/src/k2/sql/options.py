"""The options of every command that queries the warm tier."""

from pathlib import Path
from typing import Annotated

import typer

Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="BASE/QUOTE at every exchange, or KRAKEN:BTC/USD.")]
Start = Annotated[str | None, typer.Option("--from", metavar="TIME", help="From there on: 15m or 2026-11-26T12:00Z.")]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before that.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, a row a line.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Parquet = Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write a Parquet file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file of --parquet.")]
LimitS = Annotated[int | None, typer.Option(metavar="SECONDS", help="Time for the query; 60, and 600 at most.")]
LimitMb = Annotated[int | None, typer.Option(metavar="MB", help="Its memory on the server; 500, and 1,000 at most.")]
LimitRows = Annotated[int | None, typer.Option(metavar="ROWS", help="Rows of its result; 100,000,000.")]
LimitResultMb = Annotated[int | None, typer.Option(metavar="MB", help="Size of its result on the server; 20,000.")]
