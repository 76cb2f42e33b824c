"""Jobs: when they run, what each run did, starting one by hand, and finding what was lost."""
