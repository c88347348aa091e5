"""The socket to a venue: frames in, frames out, reconnecting."""
