"""What the tasks' parts of the report share: cards, drawings, and which Examples are shown."""
