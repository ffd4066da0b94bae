"""Pure decisions: composing costs, the Pareto front, choosing a row. No socket, file or clock is touched here."""
