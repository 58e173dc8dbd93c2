"""Descriptors: how many files and connections a part may have open; raised where it starts."""

import resource

WANTED_MAX = 1_048_576
"""More than this no part could use, and some systems do not take a higher limit."""
SMALL = 1_024
"""A limit below this is told: the api's viewers each take one."""


def raise_limit() -> str:
    """Take all that the system allows this process; what to say where that is little, or ""."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED_MAX if hard == resource.RLIM_INFINITY else min(hard, WANTED_MAX)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft == resource.RLIM_INFINITY or soft >= SMALL:
        return ""
    return f"only {soft} open files are allowed: raise the hard limit (ulimit -Hn, LimitNOFILE=)"
