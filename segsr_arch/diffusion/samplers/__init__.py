"""From noise to what is clean: noise, schedules, solvers, tiles of one noise field, and less at once if need be."""
