"""Families of networks: the Protocol that they are known by, and a folder for each."""
