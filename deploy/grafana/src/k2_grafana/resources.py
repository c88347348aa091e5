"""Does each process have what it needs, and does it stay up?"""

from k2_grafana.panels import Dashboard, Row, bars, graph, number
from k2_grafana.promql import per_second

_BY_PROCESS = "{{job}} {{instance}}"
_PROMETHEUS = ["deploy/prometheus/README.md"]

_PROCESSES = Row(
    "Processes",
    _PROMETHEUS,
    [
        bars(
            "Answers",
            "1 where Prometheus was answered at its last question, by process.",
            "short",
            ("min by (job) (up)", "{{job}}"),
            alerts=["K2Down"],
        ),
        graph(
            "Starts in 30 minutes",
            "Of each process; one that ends over and over is started again over and over.",
            "short",
            ("max by (job, instance) (changes(process_start_time_seconds[30m]))", _BY_PROCESS),
            alerts=["K2Restarts"],
        ),
        bars(
            "Up since",
            "How long ago each process started.",
            "s",
            ("time() - max by (job) (process_start_time_seconds)", "{{job}}"),
        ),
        number(
            "Versions",
            "Of the services that run; two at once is a deploy that is not over.",
            "short",
            ("count by (version) (k2_build_info)", "{{version}}"),
            width=24,
        ),
    ],
)

_CPU_AND_MEMORY = Row(
    "CPU, memory, open files",
    _PROMETHEUS,
    [
        graph(
            "CPU",
            "Of one core, by process; every process that is asked, servers too where they tell it by the usual name.",
            "percentunit",
            (per_second("process_cpu_seconds_total", "job"), "{{job}}"),
            width=12,
        ),
        graph(
            "Memory",
            "Resident, by process.",
            "bytes",
            ("sum by (job) (process_resident_memory_bytes)", "{{job}}"),
            width=12,
        ),
        graph(
            "Open files",
            "Sockets among them.",
            "short",
            ("sum by (job) (process_open_fds)", "{{job}}"),
        ),
        graph(
            "Open files of their limit",
            "At the limit a process can open no socket more.",
            "percentunit",
            ("max by (job) (process_open_fds / process_max_fds)", "{{job}}"),
        ),
        graph(
            "Memory of gold's remembered trades",
            "By topic; it grows with the history, and is counted on.",
            "bytes",
            ("sum by (topic) (k2_state_bytes)", "{{topic}}"),
        ),
    ],
)

_SERVERS = Row(
    "What the servers tell the services",
    ["services/warm_sink/README.md"],
    [
        graph(
            "Memory of ClickHouse",
            "What it uses and what it may use, as it tells the warm sink.",
            "bytes",
            ("max(k2_warm_memory_bytes)", "used"),
            ("max(k2_warm_memory_limit_bytes > 0)", "limit"),
            width=12,
        ),
        graph(
            "Memory of the feeds",
            "What each uses, and the limit at which it drains and starts again.",
            "bytes",
            ('k2_feed_memory_bytes{job=~"feed_.+"}', "{{job}} used"),
            ('k2_feed_memory_limit_bytes{job=~"feed_.+"}', "{{job}} limit"),
            width=12,
        ),
    ],
)

DASHBOARD = Dashboard(
    "resources",
    "K2: resources",
    "Does each process have what it needs, and does it stay up?",
    [_PROCESSES, _CPU_AND_MEMORY, _SERVERS],
)
