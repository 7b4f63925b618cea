"""The database: commands in, answers out. No HTTP and no JSON text comes in or goes out."""
