"""Where things of the project lie, for tests wherever they lie themselves."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
CAMPAIGNS = ROOT / "deploy" / "campaigns"
CAMPAIGN = CAMPAIGNS / "double11.toml"
