"""What holds for all tests."""

from preprocess.telemetry import switch_off_telemetry

switch_off_telemetry()  # a test may import a runtime before it imports `export`
