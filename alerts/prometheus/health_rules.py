"""health_alerts(): Prometheus alerts about fenghuo itself; the same for every campaign.

Of the real lane alone: a load run may drive the shadow lane as far as it likes. `up` has no lane of
its own, so whoever scrapes a shadow part gives the target that label. Each alert has its section in
the runbook, under its name; tests/e2e/set_up/test_own_health.py makes the cause of each.
"""

from typing import Any

from fenghuo.schemas.clock import JUMP_MS
from fenghuo.schemas.lane import REAL, SHADOW

# what a healthy installation never reaches for long; bounds in the unit of the metric
PART_DOWN_FOR = "10s"
LAG_EVENTS = {"yellow": 100_000, "orange": 1_000_000}
DATA_AGE_S = {"yellow": 5, "red": 30}
# complaints come a few a minute in a small shop: their newest event is old without a fault
COMPLAINT_AGE_S = {"yellow": 120}
BOARD_AGE_S = {"red": 3}
RESTARTS_IN_5M = {"orange": 3}
REFUSED_PER_S = {"blue": 0, "yellow": 10}
ARCHIVE_DELAY_S = {"yellow": 30, "orange": 300}
CLOCK_SKEW_S = {"yellow": JUMP_MS / 1000}
_STARTED = f'process_start_time_seconds{{job="fenghuo",lane="{REAL}"}}'
_UP = f'up{{job="fenghuo",lane!="{SHADOW}"}}'


def health_alerts(runbook: str) -> list[dict[str, Any]]:
    """Part down or in a loop, no board, lag, stale data, dead letters, partitions stopped, records
    gone, archive behind, store away, clocks wrong; the watchdog never stops. runbook: the address
    whose anchors explain them.
    """
    found = [*_parts(), *_board(), *_lag(), *_age(), *_refused(), *_stopped(), *_gone()]
    found += [*_archive(), *_clocks(), _watchdog()]
    for alert in found:
        alert["annotations"]["runbook_url"] = f"{runbook}#{alert['alert'].lower()}"
    return found


def _parts() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoPartDown",
            f"{_UP} == 0",
            "red",
            hold=PART_DOWN_FOR,
            scope="{{ $labels.part }} {{ $labels.instance }}",
            zh="组件停止响应",
            en="a part does not answer",
            then="start it again; what it did not do is done from the log",
        ),
        *(
            _alert(
                "FenghuoPartRestarts",
                f"changes({_STARTED}[5m]) >= {bound}",
                level,
                hold="0s",
                scope="{{ $labels.part }} {{ $labels.instance }}",
                zh="组件 5 分钟内重启 {{ $value }} 次",
                en="a part was started {{ $value }} times in five minutes",
                then="its log says at the end of each life why it ended",
            )
            for level, bound in RESTARTS_IN_5M.items()
        ),
        _alert(
            "FenghuoAbsent",
            f"absent({_UP})",
            "red",
            hold=PART_DOWN_FOR,
            scope="all",
            zh="没有任何组件被监控",
            en="no part is being watched",
            then="compare the targets of job fenghuo with the ports of the parts",
        ),
    ]


def _board() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoBoardStale",
            f"max(fenghuo_board_age_seconds{_of()}) > {bound} or"
            f" absent(fenghuo_board_age_seconds{_of()})",
            level,
            hold="10s",
            scope="board",
            zh="没有新的战况板，告警不再更新",
            en="no new board comes: levels stand still",
            then="see whether a judge runs, and what its log says",
        )
        for level, bound in BOARD_AGE_S.items()
    ]


def _lag() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoLag",
            f"max by (kind) (fenghuo_lag_events{_of()}) > {bound}",
            level,
            hold="10s",
            zh='消费积压 {{ $value | printf "%.4g" }} 条',
            en='{{ $value | printf "%.4g" }} events wait to be read',
            then="see whether gather runs; if it does, start more, up to the number of partitions",
        )
        for level, bound in LAG_EVENTS.items()
    ]


def _age() -> list[dict[str, Any]]:
    return [
        _alert(
            name,
            f"max by (kind) (fenghuo_data_age_seconds{_of(f'kind{kinds}')}) > {bound}",
            level,
            hold="3s",
            zh='数据已有 {{ $value | printf "%.4g" }} 秒未更新',
            en='the newest event is {{ $value | printf "%.4g" }} s old',
            then="ask whether the producers send; if they do, see gather and its lag",
        )
        for name, kinds, bounds in (
            ("FenghuoDataStale", '=~"order|traffic"', DATA_AGE_S),
            ("FenghuoComplaintsStale", '="complaint"', COMPLAINT_AGE_S),
        )
        for level, bound in bounds.items()
    ]


def _refused() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoRefused",
            f"sum by (kind) (rate(fenghuo_refused_events_total{_of()}[5m])) > {bound}",
            level,
            hold="0s",
            zh='死信每秒新增 {{ $value | printf "%.4g" }} 条',
            en='{{ $value | printf "%.4g" }} events a second are refused',
            then="`fenghuo dlq list` shows reasons and places",
        )
        for level, bound in REFUSED_PER_S.items()
    ]


def _stopped() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoPartitionStopped",
            f"max by (topic, partition) (fenghuo_stopped_partitions{_of()}) > 0",
            "red",
            hold="0s",
            scope="{{ $labels.topic }}/{{ $labels.partition }}",
            zh="分区停止读取，其余分区照常计数",
            en="a partition is stopped at a record that breaks the counting; the others go on",
            then="/api/v1/status names the offset and the error, `fenghuo dlq skip` passes over it",
        )
    ]


def _gone() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoRecordsGone",
            f"max by (topic, partition) (increase(fenghuo_gap_offsets_total{_of()}[10m])) > 0",
            "orange",
            hold="0s",
            scope="{{ $labels.topic }}/{{ $labels.partition }}",
            zh="有记录未读先删，其中的事件不详",
            en="records were deleted before they were read: their events are unknown",
            then="lengthen the retention of the source topics; the page names the offsets",
        )
    ]


def _archive() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoArchiveBehind",
            f"max(fenghuo_archive_delay_seconds{_of()}) > {bound}",
            level,
            hold="10s",
            scope="archive",
            zh='历史归档落后 {{ $value | printf "%.4g" }} 秒',
            en='history is {{ $value | printf "%.4g" }} s behind',
            then="its log names what it waits for; pulses stay in Kafka for a day",
        )
        for level, bound in ARCHIVE_DELAY_S.items()
    ] + [
        _alert(
            "FenghuoStoreRefuses",
            f"min by (instance) (fenghuo_store_up{_of()}) == 0",
            "yellow",
            hold="30s",
            scope="archive",
            zh="存储不可用，历史归档等待中",
            en="the store is away, full or refuses: history waits",
            then="archive's log names the reason and its cure",
        )
    ]


def _clocks() -> list[dict[str, Any]]:
    return [
        _alert(
            "FenghuoClockSkew",
            f"max by (part) (abs(fenghuo_clock_skew_seconds{_of()})) > {bound:g}",
            level,
            hold="30s",
            scope="{{ $labels.part }}",
            zh='主机时钟偏差 {{ $value | printf "%.4g" }} 秒（已按正确时间运行）',
            en="the clock of a part's host is wrong by "
            '{{ $value | printf "%.4g" }} s; the part goes by the right time',
            then="let all hosts follow one time server (chrony, ntpd)",
        )
        for level, bound in CLOCK_SKEW_S.items()
    ]


def _watchdog() -> dict[str, Any]:
    """Fires always: whoever receives it raises the alarm when it stops."""
    return {
        "alert": "Watchdog",
        "expr": "vector(1)",
        "labels": {"severity": "none", "rule": "watchdog", "scope": "all"},
        "annotations": {
            **_told(
                zh="告警链路正常;此告警消失即为故障",
                en="the alert chain works; the fault is when this stops",
                then="when it stops, look at Prometheus, Alertmanager and the way to the receiver",
            ),
        },
    }


def _of(*more: str) -> str:
    """The selector of the real lane's series."""
    return "{" + ",".join((f'lane="{REAL}"', *more)) + "}"


def _alert(
    name: str,
    expr: str,
    level: str,
    *,
    hold: str,
    zh: str,
    en: str,
    then: str,
    scope: str = "kind={{ $labels.kind }}",
) -> dict[str, Any]:
    rule = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
    return {
        "alert": name,
        "expr": expr,
        "for": hold,
        "labels": {"severity": level, "rule": rule, "scope": scope},
        "annotations": _told(zh=zh, en=en, then=then),
    }


def _told(*, zh: str, en: str, then: str) -> dict[str, str]:
    """What people and their tools read: in short, and what to do."""
    return {
        "summary": en,
        "summary_zh": zh,
        "summary_en": en,
        "description": f"{en}: {then}.",
    }
