"""Recordings as arrays of numbers: NumPy's, MATLAB's, and MSR-Action3D's."""
