"""What the commands of all data sets share: options, workers, resuming, records, the summary."""
