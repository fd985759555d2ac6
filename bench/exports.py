"""A million rows as a file of each format: seconds, peak memory, and who can read it.

    python -m bench.exports [ROWS]

Starts a PostgreSQL of its own. Linux only: it reads /proc. Where pandas and LibreOffice
are installed, they read the files back.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from bench.loaded_database import loaded_database, server_login
from bench.memory import peak_megabytes
from tests.e2e.stdio_process import StdioProcess
from tests.people import SEATTLE

PATIENCE = 600.0
FORMATS = ("csv", "parquet", "xlsx")
QUERY = """
    SELECT i.order_item_id, i.order_id, o.order_date, p.name, i.quantity, i.total_amount
    FROM retail.order_items AS i
    JOIN retail.orders AS o USING (order_id)
    JOIN retail.products AS p USING (product_id)
    CROSS JOIN generate_series(1, 1000)
    LIMIT {rows}
"""


def rows_read_by_pandas(path: Path) -> str:
    if find_spec("pandas") is None:
        return "not installed"
    reader = {"csv": "read_csv", "parquet": "read_parquet", "xlsx": "read_excel"}
    code = (
        f"import pandas; frame = pandas.{reader[path.suffix[1:]]}({str(path)!r});"
        " print(len(frame))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip()[-80:]


def rows_read_by_libreoffice(path: Path, folder: Path) -> str:
    program = shutil.which("soffice")
    if program is None or path.suffix == ".parquet":
        return "not installed" if program is None else "-"
    made = folder / "again" / f"{path.stem}.csv"
    profile = f"-env:UserInstallation=file://{folder}/profile"
    convert = ["--headless", "--convert-to", "csv", "--outdir", str(made.parent)]
    subprocess.run([program, profile, *convert, str(path)], capture_output=True)
    if not made.exists():
        return "nothing"
    with made.open("rb") as file:
        return str(sum(1 for _ in file) - 1)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with loaded_database() as server, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        settings = {
            "ZAVA_DATABASE_URL": server_login(server),
            "ZAVA_LOG_LEVEL": "ERROR",
            "ZAVA_EXPORT_DIR": str(folder / "zava"),
        }
        print(
            f"{'format':8} {'rows':>9} {'seconds':>8} {'MB':>6} {'peak MB before':>14}"
            f" {'after':>6}  pandas, LibreOffice read"
        )
        for kind in FORMATS:
            with StdioProcess(SEATTLE, folder, settings) as process:
                process.initialize()
                asked = {"format": kind, "name": "bench"}
                # A row before, for what its libraries take is no matter of rows.
                process.call("export_query", postgresql_query="SELECT 1", format=kind)
                before = peak_megabytes(process.process.pid)
                query = QUERY.format(rows=rows)
                started = time.perf_counter()
                request_id = process.ask_tool(
                    "export_query", postgresql_query=query, **asked
                )
                result = process.receive(request_id, PATIENCE)["result"]
                seconds = time.perf_counter() - started
                after = peak_megabytes(process.process.pid)
            made = result["structuredContent"]
            path = Path(made["path"])
            print(
                f"{kind:8} {made['row_count']:9} {seconds:8.1f}"
                f" {made['bytes'] / 1e6:6.1f} {before:14} {after:6} "
                f" {rows_read_by_pandas(path)},"
                f" {rows_read_by_libreoffice(path, folder)}"
            )


if __name__ == "__main__":
    main()
