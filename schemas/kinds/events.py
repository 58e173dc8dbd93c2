"""Every kind of event, and the events as they come over the wire, in JSON.

A new kind is one more entry of `ALL`. Evolution rules of an event: a new field needs a default; a
field never changes its type; a name is never used twice for different things. Unknown fields are
ignored and counted. Optional fields may be absent or null.
"""

from fenghuo.schemas.kinds.complaint import COMPLAINT, Complaint
from fenghuo.schemas.kinds.kind import Kind
from fenghuo.schemas.kinds.order import ORDER, Order
from fenghuo.schemas.kinds.traffic import TRAFFIC, Traffic

ALL: dict[str, Kind] = {kind.name: kind for kind in (ORDER, TRAFFIC, COMPLAINT)}
Event = Order | Traffic | Complaint
EVENT_OF: dict[str, type[Event]] = {"order": Order, "traffic": Traffic, "complaint": Complaint}
FIELDS: dict[str, frozenset[str]] = {
    kind: frozenset(made.__struct_fields__) for kind, made in EVENT_OF.items()
}
