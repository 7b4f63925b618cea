"""Indexes over HTTP, on the wire of the Upstash SDKs."""
