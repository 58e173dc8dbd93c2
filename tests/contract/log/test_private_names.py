"""The private names that streams/transport/faust.py and streams/part.py rest on, and their shape.

A failure here after an upgrade means: read the new sources, mend transport and part, run
test_transport on real brokers, and only then change the pins and this table.
"""

import ast
import inspect
import re
import textwrap
import tomllib
from importlib.metadata import version
from typing import Any

import aiokafka
import aiokafka.errors
import faust
import mode
import pytest
from aiokafka import conn
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState, TopicPartitionState
from aiokafka.record._crecords import MemoryRecords
from faust.sensors.monitor import Monitor
from faust.transport import consumer as transport
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

import fenghuo.streams.transport.faust  # noqa: F401  what is tested here happens at its import
from fenghuo.schemas.log.client_fetches import RawRecords
from fenghuo.streams.transport.socket import Answers, read_all
from tests.paths import ROOT

PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

# owner, method, parameters as they are passed by us (annotations left out)
METHODS: list[tuple[Any, str, str]] = [
    (driver.AIOKafkaConsumerThread, "__init__", "self, consumer, **kwargs"),
    (
        driver.AIOKafkaConsumerThread,
        "_fetch_records",
        "self, consumer, active_partitions, timeout=None, max_records=None",
    ),
    (driver.AIOKafkaConsumerThread, "_create_worker_consumer", "self, transport"),
    (driver.AIOKafkaConsumerThread, "seek_wait", "self, partitions"),
    (driver.AIOKafkaConsumerThread, "call_thread", "self, fun, *args, **kwargs"),
    (aiokafka.AIOKafkaConsumer, "commit", "self, offsets=None"),
    (driver.Consumer, "_new_consumer_thread", "self"),
    (driver.Consumer, "_drain_messages", "self, fetcher"),
    (driver.Consumer, "_wait_next_records", "self, timeout"),
    (driver.Consumer, "_getmany", "self, active_partitions, timeout"),
    (driver.Consumer, "seek_to_committed", "self"),
    (driver.Consumer, "perform_seek", "self"),
    (driver.Consumer, "assignment", "self"),
    (driver.Consumer, "wait_first", "self, *coros, timeout=None"),
    (
        driver.Producer,
        "send",
        "self, topic, key, value, partition, timestamp, headers, *, transactional_id=None",
    ),
    (driver.Transport, "__init__", "self, *args, **kwargs"),
    (Answers.__base__, "__init__", "self, closed_fut, *args, loop, **kw"),
    (conn.AIOKafkaConnection, "_handle_frame", "self, resp"),
    (fetcher.FetchResult, "check_assignment", "self, tp"),
    (fetcher.FetchResult, "has_more", "self"),
    (fetcher.FetchResult, "_update_position", "self"),
    (fetcher.FetchError, "check_raise", "self"),
    (fetcher.Fetcher, "_create_fetch_waiter", "self"),
    (fetcher.Fetcher, "_notify", "self, future"),
    (SubscriptionState, "fetch_context", "self"),
    (SubscriptionState, "wait_for_assignment", "self"),
    (SubscriptionState, "is_assigned", "self, tp"),
    (Assignment, "state_value", "self, tp"),
    (MemoryRecords, "has_next", "self"),
    (MemoryRecords, "next_batch", "self"),
    (MemoryRecords, "size_in_bytes", "self"),
    (faust.App, "create_event", "self, key, value, headers, message"),
    (Monitor, "on_message_in", "self, tp, offset, message"),
    (Monitor, "on_message_out", "self, tp, offset, message"),
    (Monitor, "on_stream_event_in", "self, tp, offset, stream, event"),
    (Monitor, "on_stream_event_out", "self, tp, offset, stream, event, state=None"),
    (mode.Service, "set_shutdown", "self"),
]
# owner, callable, parameters that we pass by name
NAMED: list[tuple[Any, str, set[str]]] = [
    (faust.App, "topic", {"schema", "acks"}),
    (faust.App, "agent", {"channel", "name", "concurrency"}),
    (faust.Schema, "__init__", {"value_type", "value_serializer"}),
    (faust.Schema, "compile", {"app"}),
]
# class, attributes that its instances have (set in `__init__` or on the way)
ATTRIBUTES: list[tuple[type, set[str]]] = [
    (aiokafka.AIOKafkaConsumer, {"_fetcher", "_closed", "_fetch_max_wait_ms", "_subscription"}),
    (aiokafka.AIOKafkaConsumer, {"_isolation_level"}),
    (fetcher.Fetcher, {"_closed", "_records", "_subscriptions", "_wait_consume_future"}),
    (fetcher.FetchResult, {"_topic_partition", "_partition_records", "_assignment"}),
    (fetcher.PartitionRecords, {"_records", "_records_iterator", "next_fetch_offset"}),
    (fetcher.PartitionRecords, {"_aborted_transactions"}),
    (TopicPartitionState, {"highwater", "lso"}),
    (driver.Consumer, {"_thread", "_read_offset", "callback", "suspend_flow", "flow_active"}),
    (driver.Consumer, {"app", "transport"}),
    (conn.AIOKafkaConnection, {"_protocol"}),
]
# class, names that a look at the class finds (properties, and the fields of compiled classes)
NAMES: list[tuple[type, set[str]]] = [
    (driver.Transport, {"Consumer"}),
    (driver.Consumer, {"consumer_stopped_errors", "beacon", "loop"}),
    (SubscriptionState, {"reassignment_in_progress", "subscription"}),
    (driver.AIOKafkaConsumerThread, {"_consumer"}),
    (faust.App, {"transport", "consumer", "consumer_generation_id", "producer", "should_stop"}),
]
SETTINGS = {
    *("topic_disable_leader", "topic_allow_declare", "table_standby_replicas", "web_enabled"),
    *("stream_wait_empty", "stream_buffer_maxsize", "consumer_max_fetch_size"),
    *("consumer_auto_offset_reset", "broker_session_timeout", "broker_heartbeat_interval"),
    *("broker_rebalance_timeout", "broker_request_timeout", "broker_max_poll_interval"),
    *("producer_max_request_size", "producer_linger", "producer_acks", "agent_supervisor"),
    *("Monitor", "datadir", "broker_consumer"),
}


@pytest.mark.parametrize(("package", "pin"), PINS.items())
def test_exactly_the_pinned_version_is_installed(package: str, pin: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements.lock").read_text()

    assert version(package) == pin
    assert f"{package}=={pin}" in project["dependencies"]
    assert re.search(rf"^{package}=={re.escape(pin)}\b", locked, re.MULTILINE)


@pytest.mark.parametrize(("owner", "name", "expected"), METHODS)
def test_method_takes_what_we_pass(owner: Any, name: str, expected: str) -> None:
    assert parameters(getattr(owner, name)) == expected


@pytest.mark.parametrize(("owner", "name", "ours"), NAMED)
def test_method_knows_our_keywords(owner: Any, name: str, ours: set[str]) -> None:
    assert ours <= set(inspect.signature(getattr(owner, name)).parameters)


@pytest.mark.parametrize(("owner", "names"), ATTRIBUTES)
def test_instances_have_our_attributes(owner: type, names: set[str]) -> None:
    assert names - assigned(owner) == set()


@pytest.mark.parametrize(("owner", "names"), NAMES)
def test_class_has_our_names(owner: type, names: set[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_message_takes_our_positions() -> None:
    """`_drain_messages` builds it by position up to the partition, and the generation by name."""
    found = list(inspect.signature(driver.ConsumerMessage).parameters)

    assert found[:12] == [
        *("topic", "partition", "offset", "timestamp", "timestamp_type", "headers"),
        *("key", "value", "checksum", "serialized_key_size", "serialized_value_size", "tp"),
    ]
    assert "generation_id" in found


def test_partition_is_what_it_was() -> None:
    """Faust's own tuple, equal to the client's: what is looked up by one is found by the other."""
    assert TP("orders", 1) == aiokafka.TopicPartition("orders", 1)
    assert hash(TP("orders", 1)) == hash(aiokafka.TopicPartition("orders", 1))


def test_our_errors_exist() -> None:
    assert issubclass(aiokafka.errors.ConsumerStoppedError, Exception)
    assert issubclass(aiokafka.errors.CorruptRecordException, Exception)
    assert issubclass(mode.CrashingSupervisor, mode.SupervisorStrategy)


def test_settings_are_known() -> None:
    assert set(faust.Settings.SETTINGS) | {"Monitor"} >= SETTINGS


def test_fetcher_calls_what_we_override() -> None:
    """The seams: who calls `_fetch_records` and `_drain_messages`, and which class is taken."""
    assert "self._fetch_records" in inspect.getsource(driver.AIOKafkaConsumerThread.getmany)
    assert "_drain_messages(self)" in inspect.getsource(transport.Fetcher)
    assert "self.Consumer(" in inspect.getsource(driver.Transport.create_consumer)
    assert "seek_to_committed()" in inspect.getsource(driver.Consumer.perform_seek)


def test_compiled_records_are_in_use() -> None:
    """They find the ends of batches in what comes; the pure twins are ten times slower."""
    from aiokafka.record import memory_records

    assert memory_records.MemoryRecords is MemoryRecords


def test_the_fetcher_looks_up_the_records_that_keep_their_bytes() -> None:
    """Ours reads the bytes: the client makes `MemoryRecords` by its name in that module."""
    source = inspect.getsource(fetcher.Fetcher._proc_fetch_request)

    assert "records = MemoryRecords(part_data[-1])" in source
    assert fetcher.MemoryRecords is RawRecords


def test_connections_are_made_with_our_way_of_reading() -> None:
    """Both are looked up by name, and by nothing else does the client read."""
    connect = inspect.getsource(conn.AIOKafkaConnection.connect)

    assert "protocol = AIOKafkaProtocol(self._closed_fut, reader, loop=loop)" in connect
    assert connect.index("self._protocol = reader, writer, protocol") < connect.index(
        "self._create_reader_task()"
    )
    assert inspect.getsource(conn).count("reader.") == 3  # two in what we replace, and at_eof
    assert conn.AIOKafkaProtocol is Answers
    assert conn.AIOKafkaConnection._read is read_all


def parameters(function: Any) -> str:
    """The parameters as text, without annotations."""
    found = inspect.signature(function).parameters.values()
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in found]
    return str(inspect.Signature(bare)).strip("()")


def assigned(owner: type) -> set[str]:
    """Names that methods of the class and its bases set on `self`, or that the classes declare."""
    names: set[str] = set()
    for base in owner.__mro__[:-1]:
        names |= set(vars(base))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError):
            continue  # compiled
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names |= {node.attr} if ast.unparse(node.value) == "self" else set()
    return names
