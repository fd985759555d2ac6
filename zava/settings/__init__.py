"""Every setting of zava: one frozen object, read once.

Values come from, strongest first: command-line flags, environment variables
with the prefix `ZAVA_`, and a file that `--env-file` names. A variable
with the prefix that is not a setting is an error, because a misspelt safety
setting must not pass unnoticed.
"""

from zava.settings.model import CONNECTION_SETTINGS, Settings
from zava.settings.sources import PREFIX, read_env_file, variables

__all__ = [
    "CONNECTION_SETTINGS",
    "PREFIX",
    "Settings",
    "read_env_file",
    "variables",
]
