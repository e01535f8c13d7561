"""How a running service answers under load: requests by a plan, and how long each took."""
