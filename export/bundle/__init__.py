"""The bundle: a folder with a model and everything needed to serve it. Deployed with the service."""
