"""Operations about cycles. What needs their lines (progress, reminders, the plan) is in `forecasts/api`."""
