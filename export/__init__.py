"""A checkpoint in; a bundle that any of the runtimes can serve out."""

from preprocess.telemetry import switch_off_telemetry

switch_off_telemetry()  # before a module of this package imports a runtime
