#!/usr/bin/env python
"""Management commands; they find the running servers of the data folder, or start them for their own duration."""

import os
import sys


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sop_portal.settings")
    os.environ.setdefault("SOP_PROCESS", "command")
    from sop_portal.supervisor.command import AS_OWNER, needs_database, servers_for
    from sop_portal.supervisor.errors import CannotStart

    try:
        with servers_for(sys.argv, with_tables=True):
            # Imported here, since the settings read the environment that is ready only now.
            from django.core.management import execute_from_command_line

            from sop_portal import checks

            if needs_database(sys.argv):
                checks.stop_if_insecure(database=sys.argv[1] not in AS_OWNER)
            execute_from_command_line(sys.argv)
    except CannotStart as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
