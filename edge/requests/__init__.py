"""One request, from its start to its telemetry: who is next, by which row, head, round trip, bill, record, lesson."""
