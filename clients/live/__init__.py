"""Live streams: frames go to the service as they are taken, and what they show comes back."""
