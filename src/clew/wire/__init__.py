"""The Upstash REST wire: commands, answers and errors as JSON and back, from one table for both ends."""

from clew.wire.bodies import ITEMS_MAX
from clew.wire.failures import Unreadable, failure, raised, status_of, type_of
from clew.wire.openapi import document
from clew.wire.operations import OPERATIONS, Operation
from clew.wire.requests import Request, request

__all__ = [
    "ITEMS_MAX",
    "OPERATIONS",
    "Operation",
    "Request",
    "Unreadable",
    "document",
    "failure",
    "raised",
    "request",
    "status_of",
    "type_of",
]
