"""Facts that jobs announce. Receivers run in the transaction that wrote the fact (`send`, never `send_robust`)."""

from django.dispatch import Signal

# Arguments: run (a JobRun that failed, or whose worker died). Sent once for each such run.
job_failed = Signal()

# Arguments: run (a JobRun that waits for a worker).
run_queued = Signal()

# Arguments: schedule (a lib.jobs.Schedule), due (the time of it that is to be offered to the workers again).
tick_missed = Signal()
