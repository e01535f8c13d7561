"""What holds for all tests."""

import export  # noqa: F401  it switches telemetry off: a test may import a runtime before it imports `export`
