"""Bill every customer of a CSV file for the month. Running it twice does no harm: each invoice has an external id.

    BILLSMITH_KEY=sk_live_… python examples/month_end.py 2026-10 customers.csv

The file has the columns customer, amount (minor units) and title. Only the standard library is used.
"""

import csv
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ.get("BILLSMITH_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("BILLSMITH_KEY", "")
AT_ONCE = 500


def post(path: str, body: object) -> dict:
    """The answer to a POST; whatever is refused as a whole ends the script with the reason."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code}: {json.load(error)['detail']}")


def main(month: str, file: Path) -> None:
    """Make the invoices and say what became of each."""
    with file.open(newline="") as stream:
        wanted = [
            {
                "customer": row["customer"],
                "amount": int(row["amount"]),
                "title": row["title"],
                "external_id": f"{month}:{row['customer']}",
            }
            for row in csv.DictReader(stream)
        ]
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        results = post("/v1/invoices/batch", {"invoices": part})["data"]
        for invoice, result in zip(part, results, strict=True):
            made, problem = result["invoice"], result["problem"]
            if made is not None:
                print(f"{made['number']}  {invoice['customer']}  {made['total']} {made['currency']}")
            elif problem["code"] == "external_id_taken":
                print(f"made before  {invoice['customer']}  {problem['existing']}")
            else:
                print(f"REFUSED  {invoice['customer']}  {problem['detail']}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
