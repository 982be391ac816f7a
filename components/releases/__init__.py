"""Which versions a server loads and what it calls them: read by baseline, changed by pusher."""
