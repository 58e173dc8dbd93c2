"""Where the real recordings are: beside the checkout, or in FENGHUO_TEST_DATA."""

import os
from pathlib import Path

import pytest

from tests.paths import ROOT

MAPPINGS = ROOT / "deploy" / "mappings"

FILES = {
    "online-retail-uci": "*.csv.gz",
    "tmall-orders-2020-02": "tmall_order_report.csv.gz",
    "olist-classified": "olist_classified.csv.gz",
    "taobao-userbehavior-2017": "UserBehavior.csv.gz",
    "worldcup98": "invocation_count.csv.gz",
    "alibaba-gentd26": "lora_request_trace.csv.gz",
    "cfpb-complaints": "consumer_complaints.csv.gz",
    "online-shopping-10-cats": "online_shopping_10_cats.csv.gz",
}


def files(name: str, pattern: str = "") -> list[Path]:
    """The files of a set that its mapping is for; a loud skip where there are none."""
    folder = Path(os.environ.get("FENGHUO_TEST_DATA") or ROOT.parent / "shared" / "data")
    found = sorted((folder / name).glob(pattern or FILES[name]))
    if not found:
        pytest.skip(f"SKIPPED: {name}: no data beside the checkout and none in FENGHUO_TEST_DATA")
    return found
