"""What becomes of a plan when its cluster changes: re-planning, and copies that let it outlive losses."""
