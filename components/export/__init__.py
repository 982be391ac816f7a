"""The SavedModel: its endpoints, their signatures, and the requests that warm a server up."""
